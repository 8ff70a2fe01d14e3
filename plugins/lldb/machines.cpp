#include "plugins/lldb/machines.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>
#include <sstream>
#include <unistd.h>

namespace kdbg::lldb_plugin {
namespace {

namespace fs = std::filesystem;

bool executable(const fs::path& path) {
  std::error_code none;
  return fs::is_regular_file(path, none) && access(path.c_str(), X_OK) == 0;
}

bool names(const Json& machine, const std::string& place) {
  return machine.value("name", "") == place ||
         std::to_string(machine.value("pid", std::uint64_t{0})) == place;
}

/// unix:PATH or HOST:PORT as lldb wants it.
std::string url_of_address(const std::string& address) {
  if (address.rfind("unix:", 0) == 0) return "unix-connect://" + address.substr(5);
  return "connect://" + (address[0] == ':' ? "127.0.0.1" + address : address);
}

bool is_host_and_port(const std::string& place) {
  const std::size_t colon = place.rfind(':');
  return colon != std::string::npos && colon + 1 < place.size() &&
         std::all_of(place.begin() + static_cast<std::ptrdiff_t>(colon) + 1, place.end(),
                     [](unsigned char c) { return std::isdigit(c); });
}

} // namespace

Result<std::string> Machines::program() const {
  std::vector<fs::path> candidates;
  if (!program_.empty()) return program_;
  const char* const named = std::getenv("KVMDBG"); // NOLINT(concurrency-mt-unsafe)
  if (named && *named) return std::string(named);
  Dl_info here{};
  if (dladdr(reinterpret_cast<void*>(&url_of_address), &here) && here.dli_fname) {
    std::error_code none;
    const fs::path folder = fs::canonical(here.dli_fname, none).parent_path();
    candidates = {folder / "kvmdbg", folder / "../../../bin/kvmdbg"};
  }
  const char* const path = std::getenv("PATH"); // NOLINT(concurrency-mt-unsafe)
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    candidates.push_back(fs::path(folder) / "kvmdbg");
  }
  const auto found = std::find_if(candidates.begin(), candidates.end(), executable);
  if (found != candidates.end()) return found->lexically_normal().string();
  return Error{Code::unsupported, "no kvmdbg beside this plugin, in $KVMDBG or on the PATH: "
                                  "`kvm program PATH` says where it is"};
}

Status Machines::set_program(const std::string& path) {
  if (!executable(path)) {
    return Error{Code::bad_request, fmt::format("'{}' is no program that can be run", path)};
  }
  program_ = fs::absolute(path);
  return Done{};
}

Result<const Machine*> Machines::start(const std::vector<std::string>& arguments) {
  std::erase_if(started_, [](Machine& machine) { return !machine.runs(); });
  const std::string path = TRY(program());
  started_.push_back(TRY(Machine::start(path, arguments)));
  return &started_.back();
}

Result<Json> Machines::list() const {
  const std::string path = TRY(program());
  auto output = output_of({path, "list", "--json"});
  const Json machines = output ? Json::parse(*output, nullptr, false) : Json();
  if (machines.is_array()) return machines;
  return Error{Code::unsupported,
               fmt::format("'{} list --json' gives no list: is it older than this plugin?", path)};
}

Result<std::string> Machines::url_of(const std::string& place) const {
  if (place.find("://") != std::string::npos) return place;
  if (place.rfind("unix:", 0) == 0 || is_host_and_port(place)) return url_of_address(place);
  if (place.find('/') != std::string::npos) return "unix-connect://" + fs::absolute(place).string();
  const Json machines = TRY(list());
  const auto is_it = [&](const Json& machine) { return names(machine, place); };
  const auto count = std::count_if(machines.begin(), machines.end(), is_it);
  if (count != 1) {
    return Error{Code::bad_request,
                 fmt::format("{} machines of yours are called '{}'; `kvm list` shows them",
                             count ? std::to_string(count) : "no", place)};
  }
  for (const Json& address : (*std::find_if(machines.begin(), machines.end(), is_it))["listen"]) {
    if (address != "stdio") return url_of_address(address);
  }
  return Error{Code::unsupported, fmt::format("'{}' listens on its standard input alone", place)};
}

} // namespace kdbg::lldb_plugin
