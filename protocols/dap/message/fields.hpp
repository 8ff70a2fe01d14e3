#pragma once
/// A request's arguments and a response's body as plain structs: the struct names its fields once,
/// reading and writing JSON follow. An error names the field, with its path: breakpoints[2].line.
/// Knows no request.
#include "adapter/result.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

namespace kdbg::dap {

using Json = nlohmann::json;

template <class Owner, class Member>
struct Field {
  std::string_view name;
  Member Owner::*member;
  bool required;
};

/// Reading fails without it.
template <class Owner, class Member>
constexpr Field<Owner, Member> required(std::string_view name, Member Owner::*member) {
  return {name, member, true};
}
/// Absent or null, the member keeps its initial value.
template <class Owner, class Member>
constexpr Field<Owner, Member> optional(std::string_view name, Member Owner::*member) {
  return {name, member, false};
}

/// A struct with `static constexpr auto fields()`: a tuple of `Field`.
template <class T>
concept Described = requires {
  T::fields();
};

Error wrong_type(std::string_view path, std::string_view wanted, const Json& found);
Error out_of_range(std::string_view path, std::int64_t low, std::uint64_t high, const Json& found);
Error missing(std::string_view path);

template <class T>
Result<T> read(const Json& json, const std::string& path);

namespace detail {

template <class T>
struct Shape;

template <>
struct Shape<Json> {
  static Result<Json> read(const Json& json, const std::string&) { return json; }
};

template <>
struct Shape<bool> {
  static Result<bool> read(const Json& json, const std::string& path) {
    if (!json.is_boolean()) return wrong_type(path, "true or false", json);
    return json.get<bool>();
  }
};

template <>
struct Shape<std::string> {
  static Result<std::string> read(const Json& json, const std::string& path) {
    if (!json.is_string()) return wrong_type(path, "a text", json);
    return json.get<std::string>();
  }
};

template <class T>
requires std::is_integral_v<T>
struct Shape<T> {
  static Result<T> read(const Json& json, const std::string& path) {
    using Limits = std::numeric_limits<T>;
    if (!json.is_number_integer()) return wrong_type(path, "a whole number", json);
    const bool fits = json.is_number_unsigned()
                          ? json.get<std::uint64_t>() <= static_cast<std::uint64_t>(Limits::max())
                          : std::cmp_greater_equal(json.get<std::int64_t>(), Limits::min()) &&
                                std::cmp_less_equal(json.get<std::int64_t>(), Limits::max());
    if (!fits) {
      return out_of_range(path, static_cast<std::int64_t>(Limits::min()),
                          static_cast<std::uint64_t>(Limits::max()), json);
    }
    return json.get<T>();
  }
};

template <class T>
struct Shape<std::optional<T>> {
  static Result<std::optional<T>> read(const Json& json, const std::string& path) {
    return std::optional<T>(TRY(dap::read<T>(json, path)));
  }
};

template <class T>
struct Shape<std::vector<T>> {
  static Result<std::vector<T>> read(const Json& json, const std::string& path) {
    if (!json.is_array()) return wrong_type(path, "a list", json);
    std::vector<T> all;
    all.reserve(json.size());
    for (const Json& one : json) {
      all.push_back(TRY(dap::read<T>(one, fmt::format("{}[{}]", path, all.size()))));
    }
    return all;
  }
};

template <Described T>
struct Shape<T> {
  static Result<T> read(const Json& json, const std::string& path) {
    if (!json.is_object()) return wrong_type(path, "an object", json);
    T whole{};
    std::optional<Error> error;
    std::apply([&](const auto&... field) { (read_field(json, path, field, whole, error), ...); },
               T::fields());
    if (error) return *error;
    return whole;
  }

private:
  template <class F>
  static void read_field(const Json& json,
                         const std::string& path,
                         const F& field,
                         T& whole,
                         std::optional<Error>& error) {
    if (error) return;
    const std::string full =
        path.empty() ? std::string(field.name) : fmt::format("{}.{}", path, field.name);
    const auto found = json.find(field.name);
    if (found == json.end() || (found->is_null() && !field.required)) {
      if (field.required) error = missing(full);
      return;
    }
    using Member = std::remove_cvref_t<decltype(whole.*field.member)>;
    auto value = dap::read<Member>(*found, full);
    if (value) {
      whole.*field.member = *std::move(value);
    } else {
      error = value.error();
    }
  }
};

} // namespace detail

/// bad_request for a wrong type, a number out of range and a missing field; unknown fields are
/// ignored, as the protocol demands. `path` is what errors call the whole; empty at the top.
template <class T>
Result<T> read(const Json& json, const std::string& path) {
  return detail::Shape<T>::read(json, path);
}

template <class T>
Json write(const T& value);

namespace detail {

template <class T>
struct Written {
  static Json write(const T& value) { return Json(value); }
};
template <class T>
struct Written<std::vector<T>> {
  static Json write(const std::vector<T>& all) {
    Json json = Json::array();
    for (const T& one : all) {
      json.push_back(dap::write(one));
    }
    return json;
  }
};
template <Described T>
struct Written<T> {
  static Json write(const T& whole) {
    Json json = Json::object();
    std::apply([&](const auto&... field) { (put(json, field.name, whole.*field.member), ...); },
               T::fields());
    return json;
  }

private:
  template <class V>
  static void put(Json& json, std::string_view name, const V& value) {
    json[std::string(name)] = dap::write(value);
  }
  template <class V>
  static void put(Json& json, std::string_view name, const std::optional<V>& value) {
    if (value) json[std::string(name)] = dap::write(*value);
  }
};

} // namespace detail

/// An absent optional is left out.
template <class T>
Json write(const T& value) {
  return detail::Written<T>::write(value);
}

} // namespace kdbg::dap
