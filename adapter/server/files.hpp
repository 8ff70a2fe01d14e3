#pragma once
/// Files that the command line names.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

#include <cstdio>

namespace kdbg::server {

Result<Bytes> read_file(const std::string& path);
/// For lines to be added: what stands in it stays; a new one is for this user alone.
Result<std::FILE*> open_audit(const std::string& path);

} // namespace kdbg::server
