#pragma once
/// Answers of the server, as text for people. Knows no lldb.
#include <nlohmann/json_fwd.hpp>

#include <string>

namespace kdbg::lldb_plugin {

using Json = nlohmann::ordered_json;

/// Each takes the whole answer of the request in its comment, and ends with a newline.
std::string report_capabilities(const Json& answer); ///< capabilities
std::string report_points(const Json& answer);       ///< points
std::string report_clients(const Json& answer);      ///< clients
std::string report_take(const Json& answer);         ///< takeControl
std::string report_vcpus(const Json& answer);        ///< vcpus
std::string report_walk(const Json& answer);         ///< walk
std::string report_descriptors(const Json& answer);  ///< descriptorTables
std::string report_msr(const Json& answer);          ///< msr
std::string report_physical(const Json& answer);     ///< physRead
std::string report_exceptions(const Json& answer);   ///< exceptions
std::string report_stops(const Json& answer);        ///< stops
std::string report_console(const Json& answer);      ///< console
std::string report_trace(const Json& answer);        ///< trace
std::string report_machines(const Json& list);       ///< `kvmdbg list --json`

} // namespace kdbg::lldb_plugin
