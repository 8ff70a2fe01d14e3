#include "adapter/commands.hpp"

#include <fmt/format.h>

namespace kdbg {

std::string WriteRegister::subject() const {
  return fmt::format("{} of vCPU {}", static_cast<unsigned>(id), index(vcpu));
}

std::string WriteMemory::subject() const {
  return fmt::format("{}, {} bytes", describe(at), data.size());
}

std::string WriteMsr::subject() const {
  return fmt::format("{:#x} of vCPU {}", number, index(vcpu));
}

std::string ResumeGuest::subject() const {
  std::string text;
  for (const Motion motion : how.motions) {
    constexpr std::string_view words[] = {"hold", "run", "step"};
    if (!text.empty()) text += ',';
    text += words[static_cast<std::size_t>(motion)];
  }
  return text;
}

} // namespace kdbg
