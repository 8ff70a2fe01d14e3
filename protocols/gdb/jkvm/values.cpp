#include "protocols/gdb/jkvm/values.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/stop_reply.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

constexpr std::array<std::string_view, 22> exceptions = {
    "DE", "DB", "NMI", "BP", "OF", "BR", "UD", "NM", "DF", "",   "TS",
    "NP", "SS", "GP",  "PF", "",   "MF", "AC", "MC", "XM", "VE", "CP"};

constexpr std::pair<std::string_view, TableKind> tables[] = {{"idt", TableKind::idt},
                                                             {"gdt", TableKind::gdt},
                                                             {"ldt", TableKind::ldt},
                                                             {"tss", TableKind::tss}};

} // namespace

Result<std::vector<VcpuState>> list_vcpus(Conversation& c) {
  std::vector<VcpuState> list;
  for (std::size_t i = 0; i < c.target().vcpu_count(); ++i) {
    VcpuState state{.vcpu = static_cast<VcpuId>(i), .running = c.session.running()};
    if (!state.running) {
      state.mode = TRY(c.session.execute(DescribeVcpu{state.vcpu}));
      state.pc = low_bits(TRY(c.session.execute(ReadRegister{state.vcpu, c.target().arch().pc})));
      const std::string why = render_reasons(c.target().stop(), state.vcpu);
      state.why = why.empty() ? "held" : why;
    }
    list.push_back(std::move(state));
  }
  return list;
}

Result<std::optional<ClientId>> take_control(Conversation& c) {
  std::optional<ClientId> before;
  for (const ClientInfo& client : TRY(c.session.execute(ListClients{}))) {
    if (client.drives) before = client.id;
  }
  TRY(c.session.execute(TakeControl{}));
  return before;
}

Result<std::vector<PointState>> list_catchpoints(Conversation& c) {
  auto points = TRY(c.session.execute(ListPoints{}));
  std::erase_if(points, [](const PointState& state) { return !is_catch(state.point.kind); });
  return points;
}

std::string exception_name(std::uint64_t vector) {
  if (vector >= exceptions.size() || exceptions[vector].empty()) return {};
  return fmt::format("#{}", exceptions[vector]);
}

std::optional<std::uint64_t> exception_named(std::string_view name) {
  if (name.starts_with('#')) name.remove_prefix(1);
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto found = std::find(exceptions.begin(), exceptions.end(), upper);
  if (upper.empty() || found == exceptions.end()) return {};
  return static_cast<std::uint64_t>(found - exceptions.begin());
}

Result<TableKind> parse_table(std::string_view name) {
  for (const auto& [word, kind] : tables) {
    if (word == name) return kind;
  }
  return Error{Code::bad_request, fmt::format("no table \"{}\": idt, gdt, ldt or tss", name)};
}

} // namespace kdbg::gdb
