// vlog/segment_names: how files of a log's directory are called (docs/formats/segment.md).
//
//   META, META.new               vlog/meta
//   00000000000000000042.seg     a segment; it has this name only when its header is durable
//   00000000000000000042.copy    a tail being copied forward; not yet a segment
//   00000000000000000042.new     a segment being made
//   spare-00000007               a spare file (spare-00000007.new: being written)
//   reserve-00000007             room kept for a full disk (reserve-00000007.new: being made)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace alfheim::vlog {

inline constexpr std::string_view kMetaName = "META";
inline constexpr std::string_view kMetaNewName = "META.new";
inline constexpr std::string_view kLockName = "LOCK";
inline constexpr std::string_view kSegmentSuffix = ".seg";
inline constexpr std::string_view kCopySuffix = ".copy";
inline constexpr std::string_view kNewSuffix = ".new";
inline constexpr std::string_view kSparePrefix = "spare-";
inline constexpr std::string_view kReservePrefix = "reserve-";

std::string path_in(const std::string& dir, std::string_view name);
std::string segment_name(uint64_t id, std::string_view suffix = kSegmentSuffix);
std::string spare_name(uint64_t number, std::string_view prefix = kSparePrefix);
// The id of a name that ends in `suffix`; nothing where it is not such a name.
std::optional<uint64_t> parse_segment_name(std::string_view name,
                                           std::string_view suffix = kSegmentSuffix);
std::optional<uint64_t> parse_spare_name(std::string_view name,
                                         std::string_view prefix = kSparePrefix);
// A file that a crash left half made: it may be removed before anything else is done.
bool is_unfinished_name(std::string_view name);

}  // namespace alfheim::vlog
