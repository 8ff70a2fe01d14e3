#include "protocols/dap/options.hpp"

#include <CLI/CLI.hpp>

namespace kdbg::dap {

std::variant<Options, int> parse_options(int argc, const char* const* argv) {
  Options options;
  std::string framing = "stream", role = "control";
  CLI::App app{
      "kvmdbg-dap: the Debug Adapter Protocol for guests of kvmdbg, on standard input and output.\n"
      "An editor starts it; kvmdbg itself starts one for each DAP client, with the options below.",
      "kvmdbg-dap"};
  app.set_version_flag("--version", "kvmdbg-dap " KVMDBG_VERSION);
  const auto descriptor = [&](const char* name, int& value, const char* what) {
    return app.add_option(name, value, what)->check(CLI::Range(0, 1 << 20))->type_name("FD");
  };
  CLI::Option* const client = descriptor("--client", options.client,
                                         "the client's socket; default: standard input and output");
  descriptor("--preamble", options.preamble, "a file with what has been read of it already")
      ->needs(client);
  CLI::Option* const lldb =
      descriptor("--lldb", options.lldb, "a connection to the server, for LLDB");
  CLI::Option* const control =
      descriptor("--control", options.control, "another one, for everything else")->needs(lldb);
  lldb->needs(control);
  app.add_option("--framing", framing,
                 "stream: Content-Length; websocket: the preamble is the upgrade request")
      ->check(CLI::IsMember({"stream", "websocket"}))
      ->capture_default_str();
  app.add_option("--role", role, "observe: the client may only look")
      ->check(CLI::IsMember({"control", "observe"}))
      ->capture_default_str();
  app.add_option("--peer", options.peer, "where the client comes from");
  app.add_option("--program", options.program,
                 "the image with symbols, for a client that names none");
  app.add_option("--index-cache", options.index_cache,
                 "keep LLDB's symbol indexes in this folder, for all adapters");
  app.add_option("--root", options.roots, "a folder whose files the client may read; repeatable")
      ->allow_extra_args(false)
      ->check(CLI::ExistingDirectory);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.websocket = framing == "websocket";
  options.observe = role == "observe";
  return options;
}

} // namespace kdbg::dap
