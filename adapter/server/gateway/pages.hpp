#pragma once
/// What a browser may get: files that are compiled in, a row each. Nothing is read from a disk.
#include <span>
#include <string_view>

namespace kdbg::server {

struct Page {
  std::string_view path, type, body;
  bool compressed = false;       ///< the body is gzip's
  bool named_by_content = false; ///< another content has another path
};

/// Null for what is not there.
const Page* find_page(std::string_view path);

/// The debugger's page as plugins/web/build.mjs has made it; only where that was built.
std::span<const Page> web_pages();

} // namespace kdbg::server
