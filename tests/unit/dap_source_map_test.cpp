#include "protocols/dap/message/source_map.hpp"

#include <catch2/catch.hpp>

using namespace kdbg::dap;

namespace {

SourceMap map_of(const char* text) {
  return SourceMap(Json::parse(text));
}

} // namespace

TEST_CASE("sourceMap is read as an object and as pairs") {
  using Rows = std::vector<std::pair<std::string, std::string>>;
  CHECK(map_of(R"({"/a": "/b"})").rows() == Rows{{"/a", "/b"}});
  CHECK(map_of(R"([["/c", "/d"], ["/a", "/b"]])").rows() == Rows{{"/c", "/d"}, {"/a", "/b"}});
  CHECK(map_of(R"([["/c"], 3, ["/a", "/b", "/c"], ["/a", 3]])").rows().empty());
  CHECK(map_of(R"({"/a": 3})").rows().empty());
  CHECK(map_of("{}").rows().empty());
}

TEST_CASE("a path as it was compiled leads to the first row that has such a file") {
  const SourceMap map = map_of(R"([["/build", "/nowhere"], ["/build/", "/"], ["/build", "/usr"]])");
  CHECK(map.here("/build/etc/passwd") == "/etc/passwd");
  CHECK(map.here("/build/bin") == "/bin");
  CHECK(map.here("/build/lib/no-such-file") == "/build/lib/no-such-file");
  CHECK(map.here("/buildings/etc/passwd") == "/buildings/etc/passwd");
  CHECK(map.here("etc/passwd") == "etc/passwd");
}

TEST_CASE("a path of the client's leads back to what was compiled") {
  const SourceMap map = map_of(R"([["/build", "/home/me/src/"], ["/other", "/srv"]])");
  CHECK(map.compiled("/home/me/src/kernel.c") == "/build/kernel.c");
  CHECK(map.compiled("/home/me/src2/kernel.c") == "/home/me/src2/kernel.c");
  CHECK(map.compiled("/srv/kernel.c") == "/other/kernel.c");
  CHECK(map.compiled("/build/kernel.c") == "/build/kernel.c");
}
