#include "adapter/bytecode.hpp"

#include <fmt/format.h>
#include <set>

namespace kdbg {
namespace {

/// Of the operations that gdb has and nobody evaluates here, from 0 on (the gdb manual); -1 for one
/// that does not exist.
constexpr std::pair<std::uint8_t, int> foreign[] = {
    {0x01, 0}, {0x0c, 0}, {0x0d, 1}, {0x1b, 0}, {0x1c, 0}, {0x1d, 0}, {0x1e, 0},
    {0x1f, 0}, {0x2c, 2}, {0x2d, 2}, {0x2e, 2}, {0x2f, 0}, {0x30, 2},
};

Result<std::size_t> skipped_operands(std::uint8_t operation, std::size_t at) {
  if (const auto known = operand_bytes(operation)) return *known;
  for (const auto& [code, bytes] : foreign) {
    if (code == operation) return static_cast<std::size_t>(bytes);
  }
  return Error{Code::bad_request,
               fmt::format("bytecode: no operation {:#04x}, at byte {}", operation, at)};
}

} // namespace

Status BytecodeReader::jump(std::size_t to) {
  if (to < code_.size()) {
    at_ = to;
    return Done{};
  }
  return Error{Code::bad_request,
               fmt::format("bytecode: a jump to byte {} of {}", to, code_.size())};
}

Result<std::uint64_t> BytecodeReader::take(std::size_t bytes) {
  if (bytes > code_.size() - at_) {
    return Error{Code::bad_request, fmt::format("bytecode ends in the middle, at byte {}", at_)};
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    value = value << 8 | std::to_integer<std::uint64_t>(code_[at_++]);
  }
  return value;
}

Result<std::string> BytecodeReader::take_text() {
  const std::size_t length = TRY(take(2));
  if (length == 0 || length > code_.size() - at_) {
    return Error{Code::bad_request,
                 fmt::format("bytecode: a text of {} bytes at byte {}", length, at_)};
  }
  const auto text = code_.subspan(at_, length);
  if (text.back() != std::byte{0}) {
    return Error{Code::bad_request,
                 fmt::format("bytecode: the text at byte {} does not end in zero", at_)};
  }
  at_ += length;
  return std::string(reinterpret_cast<const char*>(text.data()), length - 1);
}

std::optional<std::size_t> operand_bytes(std::uint8_t operation) {
  switch (static_cast<Op>(operation)) {
  case Op::ext:
  case Op::zero_ext:
  case Op::const8:
  case Op::pick:
  case Op::printf:
    return 1;
  case Op::if_goto:
  case Op::go_to:
  case Op::const16:
  case Op::reg:
    return 2;
  case Op::const32:
    return 4;
  case Op::const64:
    return 8;
  default:
    break;
  }
  const bool plain = (operation >= 0x02 && operation <= 0x0b) ||
                     (operation >= 0x0e && operation <= 0x1a && operation != 0x16) ||
                     (operation >= 0x27 && operation <= 0x2b && operation != 0x2a) ||
                     operation == 0x33;
  if (plain) return 0;
  return {};
}

Status check_bytecode(ByteView code) {
  if (code.empty() || code.size() > longest_bytecode) {
    return Error{Code::bad_request, fmt::format("bytecode of {} bytes: 1 to {} are taken",
                                                code.size(), longest_bytecode)};
  }
  BytecodeReader reader(code);
  std::set<std::size_t> begins, targets;
  while (!reader.done()) {
    begins.insert(reader.at());
    const std::size_t at = reader.at();
    const auto operation = static_cast<std::uint8_t>(TRY(reader.take(1)));
    const std::size_t bytes = TRY(skipped_operands(operation, at));
    const std::uint64_t operand = TRY(reader.take(bytes));
    const Op op{operation};
    if (op == Op::printf) TRY(reader.take_text());
    if (op == Op::go_to || op == Op::if_goto) targets.insert(operand);
  }
  for (const std::size_t target : targets) {
    if (begins.contains(target)) continue;
    return Error{Code::bad_request,
                 fmt::format("bytecode: a jump to byte {}, where no operation begins", target)};
  }
  return Done{};
}

} // namespace kdbg
