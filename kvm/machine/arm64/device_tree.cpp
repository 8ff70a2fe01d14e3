#include "kvm/machine/arm64/device_tree.hpp"

namespace kdbg::kvm {
namespace {

enum Token : std::uint32_t { begin_node = 1, end_node = 2, property = 3, end_tree = 9 };

void append(std::string& out, std::uint64_t value, unsigned bytes) { // big-endian
  for (unsigned i = bytes; i-- > 0;) {
    out.push_back(static_cast<char>(value >> (8 * i)));
  }
}

} // namespace

void DeviceTree::word(std::uint32_t value) {
  append(structure_, value, 4);
}

void DeviceTree::pad() {
  structure_.resize((structure_.size() + 3) & ~std::size_t{3}, '\0');
}

void DeviceTree::begin(std::string_view node) {
  word(begin_node);
  structure_.append(node).push_back('\0');
  pad();
}

void DeviceTree::end() {
  word(end_node);
}

void DeviceTree::put(std::string_view name, std::string_view value) {
  const std::string whole = std::string(name) + '\0';
  auto at = names_.find(whole); // a tail of a longer name will do as well
  if (at == std::string::npos) {
    at = names_.size();
    names_ += whole;
  }
  word(property);
  word(static_cast<std::uint32_t>(value.size()));
  word(static_cast<std::uint32_t>(at));
  structure_.append(value);
  pad();
}

void DeviceTree::cells(std::string_view name, std::initializer_list<std::uint32_t> values) {
  std::string bytes;
  for (const std::uint32_t value : values) {
    append(bytes, value, 4);
  }
  put(name, bytes);
}

void DeviceTree::ranges(std::string_view name, std::initializer_list<std::uint64_t> values) {
  std::string bytes;
  for (const std::uint64_t value : values) {
    append(bytes, value, 8);
  }
  put(name, bytes);
}

void DeviceTree::text(std::string_view name, std::string_view value) {
  texts(name, {value});
}

void DeviceTree::texts(std::string_view name, std::initializer_list<std::string_view> values) {
  std::string bytes;
  for (const std::string_view value : values) {
    bytes.append(value).push_back('\0');
  }
  put(name, bytes);
}

Bytes DeviceTree::finish() && {
  constexpr std::uint32_t magic = 0xd00dfeed, version = 17, oldest = 16, header = 40, reserved = 16;
  word(end_tree);
  const auto tree = static_cast<std::uint32_t>(structure_.size()),
             names = static_cast<std::uint32_t>(names_.size());
  std::string out;
  for (const std::uint32_t value :
       {magic, header + reserved + tree + names, header + reserved, header + reserved + tree,
        header, version, oldest, 0u, names, tree}) {
    append(out, value, 4);
  }
  out.append(reserved, '\0'); // the list of reserved memory: empty
  out += structure_ + names_;
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

} // namespace kdbg::kvm
