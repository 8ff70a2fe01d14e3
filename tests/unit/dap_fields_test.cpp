#include "adapter/msrs.hpp"
#include "protocols/dap/message/address.hpp"
#include "protocols/dap/message/exceptions.hpp"
#include "protocols/dap/message/message.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace kdbg::dap;

namespace {

struct Inner {
  std::uint32_t line = 0;
  static constexpr auto fields() { return std::tuple{required("line", &Inner::line)}; }
};
struct Outer {
  std::string name = "none";
  std::optional<bool> flag;
  std::vector<Inner> list;
  static constexpr auto fields() {
    return std::tuple{optional("name", &Outer::name), optional("flag", &Outer::flag),
                      required("list", &Outer::list)};
  }
};

std::string problem(const char* text) {
  const auto read_ = read<Outer>(Json::parse(text), "");
  return read_ ? "none" : read_.error().what;
}

std::string refusal(std::string_view text) {
  const auto parsed = parse_request(text);
  const auto* off = std::get_if<Malformed>(&parsed);
  return off ? off->error.what : "none";
}

} // namespace

TEST_CASE("a struct is read and written by its fields") {
  auto outer = read<Outer>(Json::parse(R"({"flag":true,"list":[{"line":3}],"more":1})"), "");
  REQUIRE(outer);
  CHECK(outer->name == "none");
  CHECK(outer->flag == true);
  CHECK(outer->list.at(0).line == 3);
  CHECK(write(*outer) == Json::parse(R"({"name":"none","flag":true,"list":[{"line":3}]})"));
  outer->flag.reset();
  CHECK(!write(*outer).contains("flag"));
}

TEST_CASE("an error names the field") {
  CHECK(problem("{}") == "list is missing");
  CHECK(problem(R"({"list":7})") == "list must be a list, not 7");
  CHECK(problem(R"({"list":[{"line":1},{}]})") == "list[1].line is missing");
  CHECK(problem(R"({"list":[{"line":-1}]})") ==
        "list[0].line must be from 0 to 4294967295, not -1");
  CHECK(problem(R"({"list":[{"line":1e30}]})").find("a whole number") != std::string::npos);
  CHECK(problem(R"({"list":[],"name":null})") == "none");
  CHECK(problem("[]") == "arguments must be an object, not []");
}

TEST_CASE("an envelope is checked before anything runs") {
  CHECK(refusal(R"({"seq":1,"type":"request","command":"x"})") == "none");
  CHECK(refusal("{") == "not valid JSON in UTF-8");
  CHECK(refusal("\"\xff\"") == "not valid JSON in UTF-8");
  CHECK(refusal(std::string(10000, '[')) == "JSON nests deeper than 64");
  CHECK(refusal(R"(["\"[[["])").find("must be an object") != std::string::npos);
  CHECK(refusal(R"({"seq":"1"})").find("seq must be") != std::string::npos);
  CHECK(refusal(R"({"seq":1,"type":"event"})").find("type must be request") != std::string::npos);
  CHECK(refusal(R"({"seq":1,"type":"request","command":"x","arguments":3})").find("arguments") ==
        0);
}

TEST_CASE("a reference to memory names its address space") {
  const auto read_ = [](const char* text) { return *parse_reference(text, "r"); };
  CHECK(read_("0x1000") == kdbg::Address{0x1000});
  CHECK(read_("v:4096") == kdbg::Address{0x1000});
  CHECK(read_("p:0x10") == kdbg::Address{0x10, {kdbg::Space::Kind::physical}});
  CHECK(read_("as:0x5000:0x10") == kdbg::Address{0x10, {kdbg::Space::Kind::root, 0x5000}});
  for (const char* wrong : {"", "p:", "as:1", "as::1", "as:1:", "x:1", "0x", "-1"}) {
    CHECK(parse_reference(wrong, "r").error().what.find("r must be an address") == 0);
  }
}

TEST_CASE("an offset does not lead round the address space") {
  const kdbg::Address high{UINT64_MAX - 1};
  CHECK(moved(high, 1, "o")->value == UINT64_MAX);
  CHECK(moved(high, 2, "o").error().what.find("o 2 leads from") == 0);
  CHECK(moved({5}, -5, "o")->value == 0);
  CHECK(!moved({5}, -6, "o"));
  CHECK(!moved({5}, INT64_MIN, "o"));
}

TEST_CASE("MSRs are found by name, and have one name and one number each") {
  CHECK(kdbg::find_msr("LStar")->number == 0xc0000082);
  CHECK(kdbg::find_msr("pear") == nullptr);
  CHECK(kdbg::find_msr(std::uint64_t{0xc0000080})->name == "efer");
  CHECK(kdbg::find_msr(std::uint64_t{7}) == nullptr);
  std::set<std::string_view> names;
  std::set<std::uint32_t> numbers;
  for (const kdbg::Msr& one : kdbg::msrs) {
    CHECK(names.insert(one.name).second);
    CHECK(numbers.insert(one.number).second);
  }
}

TEST_CASE("addresses have at most 64 bits") {
  CHECK(*parse_address("0xffffffffffffffff", "a") == UINT64_MAX);
  CHECK(*parse_address("31", "a") == 31);
  for (const char* wrong : {"", "0x", "-1", "1 ", "0x10000000000000000", "main"}) {
    CHECK(!parse_address(wrong, "a"));
  }
}

TEST_CASE("an exception is told from the server's words") {
  const auto raised = parse_raised("caught exception 14, error code 0x2, address 0x10");
  REQUIRE(raised);
  CHECK(raised->name == "#PF");
  CHECK(raised->error == 2);
  CHECK(describe_error("#PF", 2) == "write to a page that is not present, by the kernel");
  CHECK(describe_error("#GP", 0x13) == "IDT entry 2, while an external event was delivered");
  CHECK(!parse_raised("caught exception 6, error code 0x0")->error); // #UD has none
  CHECK(parse_raised("crashed: triple fault")->name == "triple fault");
  CHECK(!parse_raised("stepped"));
}

TEST_CASE("an editor interrupts its user for what the user did, and for nothing else") {
  const auto shown = [](std::string_view command, kdbg::Code code, const char* what) {
    const Json answer = Json::parse(error_response(1, 1, command, {code, what}));
    return answer["body"]["error"]["showUser"].get<bool>();
  };
  using kdbg::Code;
  CHECK(shown("next", Code::not_owner, "another one drives"));
  CHECK(shown("setVariable", Code::bad_request, "no number"));
  CHECK_FALSE(shown("disassemble", Code::bad_request, "memoryReference is empty"));
  CHECK_FALSE(shown("scopes", Code::bad_request, "frameId 1 is stale"));
  CHECK_FALSE(shown("kvmdbg/walk", Code::not_owner, "no"));
  CHECK_FALSE(shown("goto", Code::bad_request, "cancelled"));
  CHECK_FALSE(shown("goto", Code::closed, "the session is over"));
}
