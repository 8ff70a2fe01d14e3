#pragma once
/// What `launch` and `attach` take.
#include "protocols/dap/message/fields.hpp"

namespace kdbg::dap {

/// A file with symbols, and where it lies: at its own addresses without `address` and `slide`.
struct SymbolFile {
  std::string path;
  std::optional<Json> address; ///< of its first loaded byte: a number or "0x…"
  std::optional<Json> slide;   ///< added to each of its addresses
  static constexpr auto fields() {
    return std::tuple{required("path", &SymbolFile::path),
                      optional("address", &SymbolFile::address),
                      optional("slide", &SymbolFile::slide)};
  }
};

struct StartArguments {
  // both
  std::string program;
  std::vector<SymbolFile> symbols;
  Json source_map = Json::object(); ///< {"/build": "/home/me/src"} or [["/build", "/home/me/src"]]
  std::optional<bool> stop_on_entry;
  std::string breakpoint_mode; ///< software, hardware or "": as the engine sees fit
  std::string role;            ///< control or observe
  // attach
  std::string server, token, token_file;
  // launch
  std::string image, append, initrd, console;
  std::int32_t cpus = 1;
  Json memory = nullptr; ///< 512 or "512M"

  static constexpr auto fields() {
    using A = StartArguments;
    return std::tuple{optional("program", &A::program),
                      optional("symbols", &A::symbols),
                      optional("sourceMap", &A::source_map),
                      optional("stopOnEntry", &A::stop_on_entry),
                      optional("breakpointMode", &A::breakpoint_mode),
                      optional("role", &A::role),
                      optional("server", &A::server),
                      optional("token", &A::token),
                      optional("tokenFile", &A::token_file),
                      optional("image", &A::image),
                      optional("append", &A::append),
                      optional("initrd", &A::initrd),
                      optional("console", &A::console),
                      optional("cpus", &A::cpus),
                      optional("memory", &A::memory)};
  }
};

} // namespace kdbg::dap
