#include "protocols/gdb/front_end.hpp"

#include <catch2/catch.hpp>

#include <set>

namespace kdbg::gdb {
namespace {

Answer one(Conversation&, std::string_view) {
  return say("1");
}
Answer two(Conversation&, std::string_view) {
  return say("2");
}

constexpr Row base[] = {
    {"q", Row::Match::prefix, &one},
    {"qX:", Row::Match::prefix, &one},
    {"qX", Row::Match::exact, &one},
};
constexpr Row extra[] = {
    {"qX:", Row::Match::prefix, &two},
    {"qX:long", Row::Match::exact, &two},
};

TEST_CASE("the longest prefix wins") {
  const Table tables[] = {base};
  CHECK(find_row(tables, "qX:a") == &base[1]);
  CHECK(find_row(tables, "qX") == &base[2]);
  CHECK(find_row(tables, "qXy") == &base[0]);
  CHECK(find_row(tables, "Q") == nullptr);
  CHECK(find_row(tables, "") == nullptr);
}

TEST_CASE("of equal prefixes the first table's wins") {
  const Table tables[] = {extra, base};
  CHECK(find_row(tables, "qX:a") == &extra[0]);
  CHECK(find_row(tables, "qX:long") == &extra[1]);
  CHECK(find_row(tables, "qX:longer") == &extra[0]);
  CHECK(find_row(tables, "qX") == &base[2]);
}

TEST_CASE("no packet of ours is claimed twice") {
  std::set<std::pair<std::string_view, Row::Match>> seen;
  for (const Table& table : dialect().tables) {
    for (const Row& row : table) {
      INFO(row.prefix);
      CHECK(row.handler != nullptr);
      CHECK_FALSE(row.prefix.empty());
      CHECK(seen.emplace(row.prefix, row.match).second);
    }
  }
}

} // namespace
} // namespace kdbg::gdb
