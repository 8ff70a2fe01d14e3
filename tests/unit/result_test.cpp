#include "adapter/result.hpp"

#include <catch2/catch.hpp>

#include <memory>

namespace kdbg {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Error{Code::bad_request, "odd"};
  return number / 2;
}

Result<int> quarter(int number) {
  const int once = TRY(half(number));
  return TRY(half(once));
}

TEST_CASE("TRY unwraps a value and passes an error on") {
  CHECK(*quarter(8) == 2);
  REQUIRE_FALSE(quarter(6));
  CHECK(quarter(6).error().what == "odd");
  CHECK(quarter(6).error().code == Code::bad_request);
}

TEST_CASE("a result may hold what can only be moved") {
  auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(3); };
  auto twice = [&]() -> Result<int> {
    const auto pointer = TRY(make());
    return *pointer * 2;
  };
  CHECK(*twice() == 6);
}

} // namespace
} // namespace kdbg
