#include "plugins/lldb/host_symbols.hpp"

#include <cstdint>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string_view>

namespace kdbg::lldb_plugin {
namespace {

/// The dynamic symbol table of this library; empty where it is not as our linker makes it.
struct Symbols {
  const ElfW(Sym) * first = nullptr;
  const char* names = nullptr;
  const std::uint32_t* hash = nullptr; ///< DT_GNU_HASH; its second word counts what is not hashed
};

Symbols own_symbols() {
  Dl_info info{};
  link_map* map = nullptr;
  Symbols symbols;
  if (!dladdr1(reinterpret_cast<const void*>(&missing_symbol), &info,
               reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP)) {
    return symbols;
  }
  for (const ElfW(Dyn)* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry) {
    // glibc has relocated it
    const auto* const at =
        reinterpret_cast<const void*>(entry->d_un.d_ptr); // NOLINT(performance-no-int-to-ptr)
    if (entry->d_tag == DT_SYMTAB) symbols.first = static_cast<const ElfW(Sym)*>(at);
    if (entry->d_tag == DT_STRTAB) symbols.names = static_cast<const char*>(at);
    if (entry->d_tag == DT_GNU_HASH) symbols.hash = static_cast<const std::uint32_t*>(at);
  }
  return symbols;
}

bool of_lldb(std::string_view name) {
  return name.substr(0, 8) == "_ZN4lldb" || name.substr(0, 9) == "_ZNK4lldb";
}

} // namespace

std::string missing_symbol() {
  const Symbols symbols = own_symbols();
  if (!symbols.first || !symbols.names || !symbols.hash) return "(none could be looked up)";
  // undefined ones stand before the hashed ones
  for (std::uint32_t i = 1; i < symbols.hash[1]; ++i) {
    const char* const name = symbols.names + symbols.first[i].st_name;
    if (of_lldb(name) && symbols.first[i].st_shndx == SHN_UNDEF && !dlsym(RTLD_DEFAULT, name)) {
      return name;
    }
  }
  return "";
}

} // namespace kdbg::lldb_plugin
