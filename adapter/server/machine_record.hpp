#pragma once
/// A machine's record as text: the JSON object that stands in the run folder. Knows no file.
#include "adapter/machines.hpp"

namespace kdbg::server {

std::string render_record(const MachineRecord& record);
/// bad_request names the field that is missing or is something else.
Result<MachineRecord> parse_record(std::string_view text);

/// What `kvmdbg list` prints: a table with a header row, or a JSON array.
std::string render_table(const std::vector<MachineInfo>& machines);
std::string render_json(const std::vector<MachineInfo>& machines);

} // namespace kdbg::server
