#include "adapter/server/files.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sys/stat.h>

namespace kdbg::server {

Result<Bytes> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return Error{Code::bad_request, "cannot open " + path};
  Bytes out(static_cast<std::size_t>(in.tellg()));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  if (!in) return Error{Code::bad_request, "cannot read " + path};
  return out;
}

Result<std::FILE*> open_audit(const std::string& path) {
  const int file =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) {
    return Error{Code::bad_request,
                 fmt::format("cannot open the audit file {}: {}", path, strerrordesc_np(errno)),
                 errno};
  }
  return ::fdopen(file, "a");
}

} // namespace kdbg::server
