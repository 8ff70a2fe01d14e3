#pragma once
/// What a browser may get: files that are compiled in, a row each. Nothing is read from a disk.
#include <string_view>

namespace kdbg::server {

struct Page {
  std::string_view path, type, body;
};

/// Null for what is not there.
const Page* find_page(std::string_view path);

} // namespace kdbg::server
