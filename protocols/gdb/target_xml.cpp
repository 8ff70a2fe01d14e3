#include "protocols/gdb/target_xml.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace kdbg::gdb {
namespace {

/// In the order in which the table first names them.
std::vector<std::string_view> features_of(const ArchInfo& arch) {
  std::vector<std::string_view> features;
  for (const RegisterInfo& info : arch.registers) {
    if (std::find(features.begin(), features.end(), info.feature) == features.end()) {
      features.push_back(info.feature);
    }
  }
  return features;
}

std::string render_flags(const FlagsInfo& flags) {
  auto text = fmt::format("<flags id=\"{}\" size=\"{}\">\n", escape_xml(flags.name), flags.bytes);
  for (const FieldInfo& field : flags.fields) {
    text += fmt::format("<field name=\"{}\" start=\"{}\" end=\"{}\"/>\n", escape_xml(field.name),
                        field.first, field.last);
  }
  return text + "</flags>\n";
}

/// One way of looking at a vector register.
struct Lane {
  std::string_view letter, type, field;
  unsigned bits;
};
constexpr Lane lanes[] = {
    {"f", "ieee_single", "float", 32}, {"d", "ieee_double", "double", 64},
    {"i8", "int8", "int8", 8},         {"i16", "int16", "int16", 16},
    {"i32", "int32", "int32", 32},     {"i64", "int64", "int64", 64},
};

/// gdb knows the vecN types of its own descriptions only; a described target spells them out.
std::string render_vector(std::string_view name, unsigned bits) {
  std::string types, fields;
  for (const Lane& lane : lanes) {
    const unsigned count = bits / lane.bits;
    types += fmt::format("<vector id=\"v{}{}\" type=\"{}\" count=\"{}\"/>\n", count, lane.letter,
                         lane.type, count);
    fields += fmt::format("<field name=\"v{}_{}\" type=\"v{}{}\"/>\n", count, lane.field, count,
                          lane.letter);
  }
  if (bits == 128) fields += "<field name=\"uint128\" type=\"uint128\"/>\n";
  return fmt::format("{}<union id=\"{}\">\n{}</union>\n", types, name, fields);
}

/// One way of cutting an Arm vector register into elements; gdb's $v0.d.f[1] names it.
struct ArmLane {
  char letter;
  unsigned bits;
  std::string_view real; ///< floating-point type of that width; "" for none
};
constexpr ArmLane arm_lanes[] = {{'d', 64, "ieee_double"},
                                 {'s', 32, "ieee_single"},
                                 {'h', 16, "ieee_half"},
                                 {'b', 8, ""},
                                 {'q', 128, ""}};

/// As in gdb's own descriptions of aarch64: a union of lanes, each a union of element types.
std::string render_arm_vector(std::string_view name, unsigned bits) {
  std::string types, lanes_of_it;
  for (const ArmLane& lane : arm_lanes) {
    std::string ways;
    const auto add = [&](char way, std::string_view type) {
      const std::string id = fmt::format("{}_{}{}", name, lane.letter, way);
      types +=
          fmt::format("<vector id=\"{}\" type=\"{}\" count=\"{}\"/>\n", id, type, bits / lane.bits);
      ways += fmt::format("<field name=\"{}\" type=\"{}\"/>\n", way, id);
    };
    if (!lane.real.empty()) add('f', lane.real);
    add('u', fmt::format("uint{}", lane.bits));
    add('s', fmt::format("int{}", lane.bits));
    types += fmt::format("<union id=\"{}_{}\">\n{}</union>\n", name, lane.letter, ways);
    lanes_of_it += fmt::format("<field name=\"{0}\" type=\"{1}_{0}\"/>\n", lane.letter, name);
  }
  return fmt::format("{}<union id=\"{}\">\n{}</union>\n", types, name, lanes_of_it);
}

constexpr std::string_view arm_vector = "aarch64v", arm_scalable = "svev", arm_predicate = "svep";
bool is_arm_vector(std::string_view type) {
  return type == arm_vector || type == arm_scalable;
}

bool is_vector(std::string_view type) {
  return type.starts_with("vec") || is_arm_vector(type) || type == arm_predicate;
}

/// gdb's name for a pair of 128-bit numbers, which is no union.
constexpr std::string_view pair_type = "v2ui128";

std::string render_type(const RegisterInfo& info) {
  if (is_arm_vector(info.type)) return render_arm_vector(info.type, info.bits);
  if (info.type == arm_predicate) {
    return fmt::format("<vector id=\"{}\" type=\"uint8\" count=\"{}\"/>\n", info.type,
                       info.bits / 8);
  }
  if (is_vector(info.type)) return render_vector(info.type, info.bits);
  if (info.type != pair_type) return {};
  return fmt::format("<vector id=\"{}\" type=\"uint128\" count=\"2\"/>\n", pair_type);
}

/// Types must be defined in the feature that uses them, ahead of it.
std::string render_types(const ArchInfo& arch, std::string_view feature) {
  std::string text;
  for (const FlagsInfo& flags : arch.flags) {
    if (flags.feature == feature) text += render_flags(flags);
  }
  std::vector<std::string_view> defined;
  for (const RegisterInfo& info : arch.registers) {
    if (info.feature != feature) continue;
    if (std::find(defined.begin(), defined.end(), info.type) != defined.end()) continue;
    defined.push_back(info.type);
    text += render_type(info);
  }
  return text;
}

std::string_view group_of(const RegisterInfo& info) {
  switch (info.group) {
  case RegisterGroup::general:
    return "general";
  case RegisterGroup::fpu:
    return is_vector(info.type) || info.type == pair_type ? "vector" : "float";
  case RegisterGroup::system:
  case RegisterGroup::debug:
  case RegisterGroup::msr:
    break;
  }
  return "system";
}

/// `generic` and the DWARF numbers are for lldb; gdb passes over them.
std::string render_register(const RegisterInfo& info, std::size_t number) {
  auto text =
      fmt::format("<reg name=\"{}\" bitsize=\"{}\" type=\"{}\" regnum=\"{}\" group=\"{}\"",
                  escape_xml(info.name), info.bits, escape_xml(info.type), number, group_of(info));
  if (!info.role.empty()) text += fmt::format(" generic=\"{}\"", escape_xml(info.role));
  if (info.dwarf >= 0) {
    text += fmt::format(" dwarf_regnum=\"{0}\" ehframe_regnum=\"{0}\"", info.dwarf);
  }
  return text + "/>\n";
}

} // namespace

std::string escape_xml(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    switch (c) {
    case '&':
      escaped += "&amp;";
      break;
    case '<':
      escaped += "&lt;";
      break;
    case '>':
      escaped += "&gt;";
      break;
    case '"':
      escaped += "&quot;";
      break;
    default:
      escaped += c >= ' ' ? c : ' ';
      break;
    }
  }
  return escaped;
}

std::string render_target_xml(const ArchInfo& arch) {
  std::string text = "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
                     "<target version=\"1.0\">\n";
  text += fmt::format("<architecture>{}</architecture>\n", escape_xml(arch.gdb_name));
  for (std::string_view feature : features_of(arch)) {
    text += fmt::format("<feature name=\"{}\">\n", escape_xml(feature));
    text += render_types(arch, feature);
    for (std::size_t i = 0; i < arch.registers.size(); ++i) {
      if (arch.registers[i].feature == feature) text += render_register(arch.registers[i], i);
    }
    text += "</feature>\n";
  }
  return text + "</target>\n";
}

} // namespace kdbg::gdb
