#pragma once
/// A flattened device tree (Devicetree Specification 0.4, chapter 5), written front to back.
#include "adapter/types.hpp"

#include <initializer_list>
#include <string>
#include <string_view>

namespace kdbg::kvm {

class DeviceTree {
public:
  void begin(std::string_view node);
  void end();
  void flag(std::string_view name) { put(name, {}); }
  /// 32-bit cells.
  void cells(std::string_view name, std::initializer_list<std::uint32_t> values);
  /// Pairs of 64-bit address and size, for nodes whose parent has two cells of each.
  void ranges(std::string_view name, std::initializer_list<std::uint64_t> values);
  void text(std::string_view name, std::string_view value);
  /// Several strings.
  void texts(std::string_view name, std::initializer_list<std::string_view> values);
  /// The whole tree; every node has been ended.
  Bytes finish() &&;

private:
  void put(std::string_view name, std::string_view value);
  void word(std::uint32_t value);
  void pad();
  std::string structure_, names_;
};

} // namespace kdbg::kvm
