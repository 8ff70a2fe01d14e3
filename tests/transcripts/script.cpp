#include "tests/transcripts/script.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <stdexcept>

namespace kdbg::transcripts {
namespace {

std::uint64_t number(std::string_view text) {
  const bool hex = text.starts_with("0x");
  const std::string_view digits = text.substr(hex ? 2 : 0);
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, value, hex ? 16 : 10);
  if (error != std::errc() || stopped != end) {
    throw std::runtime_error(fmt::format("\"{}\" is no number", text));
  }
  return value;
}

std::string unescape(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) != "\\x") {
      bytes += text[i];
      continue;
    }
    bytes += static_cast<char>(number("0x" + std::string(text.substr(i + 2, 2))));
    i += 3;
  }
  return bytes;
}

/// `$text#..` gets its sum.
std::string fill_sums(std::string text) {
  for (std::size_t dots = text.find("#.."); dots != std::string::npos; dots = text.find("#..")) {
    unsigned sum = 0;
    for (std::size_t i = text.rfind('$', dots) + 1; i < dots; ++i) {
      sum += static_cast<unsigned char>(text[i]);
    }
    text.replace(dots + 1, 2, fmt::format("{:02x}", sum & 0xff));
  }
  return text;
}

/// Takes the word before `separator` off the front.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

Address read_address(std::string_view text) {
  if (text.starts_with("phys:")) return {number(text.substr(5)), {Space::Kind::physical}};
  if (!text.starts_with("root:")) return {number(text)};
  text.remove_prefix(5);
  const std::uint64_t root = number(take(text, ':'));
  return {number(text), {Space::Kind::root, root}};
}

StopReason read_hit(PointKind kind, std::string_view value) {
  if (!is_watch(kind)) return HitPoint{{kind, read_address(value), 1}};
  const Address at = read_address(take(value, '+'));
  const std::uint64_t length = number(take(value, '@'));
  return HitWatch{{kind, at, length}, number(value), {}, {}};
}

/// NUMBER>VALUE read, NUMBER<VALUE written.
StopReason read_caught(PointKind kind, std::string_view value) {
  const std::size_t arrow = value.find_first_of("<>");
  if (arrow == std::string_view::npos) {
    throw std::runtime_error(fmt::format("no direction in \"{}\"", value));
  }
  const std::uint64_t at = number(value.substr(0, arrow));
  return Caught{{kind, Address{at}}, at, value[arrow] == '<', number(value.substr(arrow + 1))};
}

StopReason read_reason(std::string_view key, std::string_view value) {
  if (key == "entry") return AtEntry{};
  if (key == "step") return Stepped{};
  if (key == "halt") return Halted{};
  if (key == "interrupt") return Interrupted{};
  if (key == "crash") return Crashed{std::string(value)};
  if (key == "poweroff") return PoweredOff{static_cast<int>(number(value))};
  for (auto kind : {PointKind::software, PointKind::hardware, PointKind::write, PointKind::read,
                    PointKind::access}) {
    if (key == name(kind)) return read_hit(kind, value);
  }
  for (auto kind : {PointKind::port, PointKind::mmio, PointKind::msr, PointKind::hypercall,
                    PointKind::exception}) {
    if (key == name(kind)) return read_caught(kind, value);
  }
  throw std::runtime_error(fmt::format("no stop reason \"{}\"", key));
}

struct Word {
  std::string_view key, value;
};

/// `key`, `key=value` or `key="a value"`.
Word take_word(std::string_view& words) {
  const std::size_t end = words.find_first_of("= ");
  if (end == std::string_view::npos || words[end] == ' ') return {take(words, ' '), {}};
  const std::string_view key = take(words, '=');
  if (!words.starts_with('"')) return {key, take(words, ' ')};
  words.remove_prefix(1);
  const std::string_view value = take(words, '"');
  take(words, ' ');
  return {key, value};
}

Stop read_stop(std::string_view words) {
  Stop stop;
  while (!words.empty()) {
    const auto [key, value] = take_word(words);
    if (key == "epoch") {
      stop.epoch = number(value);
    } else if (key == "vcpu") {
      stop.vcpus.push_back({static_cast<VcpuId>(number(value)), {}});
    } else if (stop.vcpus.empty()) {
      throw std::runtime_error(fmt::format("\"{}\" before any vcpu=", key));
    } else if (key == "by") {
      std::get<Interrupted>(stop.vcpus.back().reasons.back()).by =
          static_cast<ClientId>(number(value));
    } else {
      stop.vcpus.back().reasons.push_back(read_reason(key, value));
    }
  }
  return stop;
}

/// client=1 vcpu=0 software=0x1000 dropped=0 TEXT
LogLine read_log(std::string_view words) {
  LogLine line;
  line.client = static_cast<ClientId>(number(take_word(words).value));
  line.vcpu = static_cast<VcpuId>(number(take_word(words).value));
  const Word at = take_word(words);
  const StopReason hit = read_reason(at.key, at.value);
  if (point_of(hit) == nullptr) throw std::runtime_error("a log line without a point");
  line.point = *point_of(hit);
  line.dropped = number(take_word(words).value);
  line.text = words;
  return line;
}

Line read_arrow(std::string_view line, std::size_t arrow) {
  Line read;
  if (arrow > 0) read.client = static_cast<unsigned>(number(line.substr(0, arrow)));
  std::string_view text = line.substr(std::min(arrow + 3, line.size()));
  read.kind = line.substr(arrow, 2) == "->" ? Line::Kind::to_server : Line::Kind::to_client;
  if (read.kind == Line::Kind::to_client && text.size() > 1 && text.front() == '/' &&
      text.back() == '/') {
    read.kind = Line::Kind::pattern;
    read.text = text.substr(1, text.size() - 2);
    return read;
  }
  read.text = fill_sums(unescape(text));
  return read;
}

std::optional<Line> read_remark(std::string_view text) {
  constexpr std::string_view before = "client ", after = " left";
  if (!text.starts_with(before) || !text.ends_with(after)) return {};
  Line read;
  read.kind = Line::Kind::left;
  text = text.substr(before.size(), text.size() - before.size() - after.size());
  read.client = static_cast<unsigned>(number(text));
  return read;
}

std::optional<Line> read_line(std::string_view line) {
  if (line.empty() || line.front() == '#') return {};
  Line read;
  read.text = line.substr(std::min<std::size_t>(3, line.size()));
  if (line.starts_with(" . ")) return read_remark(read.text);
  if (line.starts_with(" = ")) return read;
  if (line.starts_with(" ! ")) {
    read.kind = Line::Kind::event;
    return read;
  }
  const std::size_t arrow = line.find_first_not_of("0123456789");
  const std::string_view sign = line.substr(std::min(arrow, line.size()), 2);
  if (sign != "->" && sign != "<-") throw std::runtime_error("no such line");
  return read_arrow(line, arrow);
}

} // namespace

std::vector<Line> read_script(std::string_view text) {
  std::vector<Line> lines;
  for (unsigned count = 1; !text.empty(); ++count) {
    const std::string_view line = take(text, '\n');
    try {
      if (auto read = read_line(line)) {
        read->number = count;
        lines.push_back(std::move(*read));
      }
    } catch (const std::exception& error) {
      throw std::runtime_error(fmt::format("line {}: {}: {}", count, error.what(), line));
    }
  }
  return lines;
}

Event read_event(std::string_view words) {
  const std::string_view what = take(words, ' ');
  if (what == "stopped") return Stopped{read_stop(words)};
  if (what == "gone") return Gone{static_cast<int>(number(take_word(words).value))};
  if (what == "memory") return MemoryChanged{};
  if (what == "log") return read_log(words);
  if (what != "resumed") throw std::runtime_error(fmt::format("no event \"{}\"", what));
  Resumed resumed;
  while (!words.empty()) {
    const auto [key, value] = take_word(words);
    if (key == "epoch") resumed.epoch = number(value);
    if (key == "by") resumed.by = static_cast<ClientId>(number(value));
  }
  return resumed;
}

std::string shown(std::string_view bytes) {
  std::string text;
  for (char c : bytes) {
    if (c >= ' ' && c <= '~' && c != '\\') {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

} // namespace kdbg::transcripts
