#include "plugins/lldb/linux_symbols.hpp"

#include "plugins/lldb/packets.hpp"

#include <lldb/API/SBAddress.h>
#include <lldb/API/SBData.h>
#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBModule.h>
#include <lldb/API/SBProcess.h>
#include <lldb/API/SBSection.h>
#include <lldb/API/SBSymbol.h>
#include <lldb/API/SBTarget.h>

#include <array>
#include <fmt/format.h>
#include <optional>

namespace kdbg::lldb_plugin {
namespace {

constexpr std::size_t banner_length = 32; ///< "Linux version 6.1.0-…": enough to tell kernels apart

/// A file's idea of where a symbol is, to hold against the guest's. arch/x86/entry/entry_64.S,
/// arch/x86/kernel/head_64.S
struct Landmark {
  const char* symbol;
  const char* from;
  int vector; ///< of the IDT; -1 for MSR_LSTAR
  std::uint64_t offset;
};
constexpr std::uint64_t early_handler_size =
    13; // EARLY_IDT_HANDLER_SIZE: with endbr64; 9 before 5.18
constexpr Landmark landmarks[] = {
    {"entry_SYSCALL_64", "MSR_LSTAR", -1, 0},
    {"asm_exc_page_fault", "the IDT's page fault handler", 14, 0},
    {"asm_exc_divide_error", "the IDT's divide error handler", 0, 0},
    {"early_idt_handler_array", "the IDT's early handlers", 0, 0},
    {"early_idt_handler_array", "the IDT's early handlers", 14, 14 * early_handler_size},
};

std::optional<lldb::SBAddress> address_of(lldb::SBModule& module, const char* name) {
  lldb::SBSymbol symbol = module.FindSymbol(name);
  if (!symbol.IsValid()) return std::nullopt;
  return symbol.GetStartAddress();
}

/// What the file has at linux_banner.
Result<std::string> banner_of(lldb::SBModule& module) {
  const auto at = address_of(module, "linux_banner");
  if (!at) {
    return Error{Code::bad_request, fmt::format("{} has no symbol linux_banner: it is no vmlinux",
                                                module.GetFileSpec().GetFilename())};
  }
  lldb::SBAddress address = *at;
  lldb::SBData data = address.GetSection().GetSectionData(address.GetOffset(), banner_length);
  std::string text(banner_length, '\0');
  lldb::SBError error;
  if (data.ReadRawData(error, 0, text.data(), text.size()) == text.size()) return text;
  return Error{Code::bad_request, fmt::format("{} has a symbol linux_banner without its text",
                                              module.GetFileSpec().GetFilename())};
}

bool is_at(lldb::SBProcess& process, std::uint64_t address, const std::string& banner) {
  std::string there(banner.size(), '\0');
  lldb::SBError error;
  return process.ReadMemory(address, there.data(), there.size(), error) == there.size() &&
         there == banner;
}

/// Where the guest's CPU points for a landmark.
Result<std::uint64_t> guest_address(lldb::SBDebugger& debugger, const Landmark& mark) {
  const auto number = [](const Json& text) {
    return std::strtoull(text.get<std::string>().c_str(), nullptr, 16);
  };
  if (mark.vector < 0) {
    return number(TRY(ask(debugger, "msr", {{"number", 0xc0000082}}))["value"]);
  }
  const Json idt = TRY(
      ask(debugger, "descriptorTables", {{"table", "idt"}, {"first", mark.vector}, {"count", 1}}));
  if (!idt["entries"].empty()) return number(idt["entries"][0]["base"]);
  return Error{Code::bad_request, fmt::format("the IDT has no vector {}", mark.vector)};
}

Result<lldb::SBModule> module_for(Call& call) {
  lldb::SBTarget target = call.debugger.GetSelectedTarget();
  if (call.arguments.empty()) {
    if (lldb::SBModule module = target.FindModule(target.GetExecutable()); module.IsValid()) {
      return module;
    }
    return Error{Code::bad_request, "the target has no program: name the vmlinux"};
  }
  lldb::SBModule module = target.FindModule(lldb::SBFileSpec(call.arguments[0].c_str(), true));
  if (module.IsValid()) return module;
  module = target.AddModule(call.arguments[0].c_str(), nullptr, nullptr);
  if (module.IsValid()) return module;
  return Error{Code::bad_request,
               fmt::format("lldb reads no symbols from '{}'", call.arguments[0])};
}

struct Found {
  std::uint64_t slide; ///< modulo 2^64
  std::string from;
};

Result<Found> find_slide(lldb::SBDebugger& debugger, lldb::SBModule& module) {
  lldb::SBProcess process = debugger.GetSelectedTarget().GetProcess();
  const std::string banner = TRY(banner_of(module));
  const std::uint64_t file_banner = address_of(module, "linux_banner")->GetFileAddress();
  for (const Landmark& mark : landmarks) {
    const auto file = address_of(module, mark.symbol);
    if (!file) continue;
    const auto guest = guest_address(debugger, mark);
    if (!guest) continue; // an IDT that is not there yet; the others may tell
    const std::uint64_t slide = *guest - file->GetFileAddress() - mark.offset;
    if (is_at(process, file_banner + slide, banner)) return Found{slide, mark.from};
  }
  if (is_at(process, file_banner, banner)) {
    return Found{0, "linux_banner, which is where the file says"};
  }
  return Error{
      Code::bad_request,
      "no slide fits: neither MSR_LSTAR nor the IDT leads to this kernel's linux_banner (it has "
      "not set them up yet, user space's page tables hide it, or it is another build)"};
}

} // namespace

Result<std::string> load_linux_symbols(Call& call) {
  TRY(ask(call.debugger, "trace", Json::object())); // is it a kvmdbg, and stopped?
  lldb::SBModule module = TRY(module_for(call));
  const Found found = TRY(find_slide(call.debugger, module));
  lldb::SBError error = call.debugger.GetSelectedTarget().SetModuleLoadAddress(module, found.slide);
  if (error.Fail()) {
    return Error{Code::bad_request,
                 fmt::format("lldb does not move {}: {}", module.GetFileSpec().GetFilename(),
                             error.GetCString())};
  }
  return fmt::format("{} at slide {:#x}, from {}\n", module.GetFileSpec().GetFilename(),
                     found.slide, found.from);
}

} // namespace kdbg::lldb_plugin
