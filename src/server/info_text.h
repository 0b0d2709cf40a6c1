// server/info_text: INFO, section by section, with figures that are true at this moment.
//
// A line of Redis's that would have to be invented here (figures that nobody counts) is left
// out; the section `alfheimdb` is ours.
//
// Thread: any. Lifetime: of one call. Holds the index's lock of readers for a copy of 16
// database entries.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/services.h"

namespace alfheim::server {

// `sections` as INFO's arguments: none, or "default", "all", "everything" or names, in any
// case. Unknown names add nothing.
std::string info_text(const Services& services, std::span<const std::string_view> sections);

// Epochs and key counts of all databases as readers see them now.
types::DatabaseTable databases(const Services& services);
// Wall time since which the index on disk is no older than the log: LASTSAVE.
uint64_t last_save_seconds(const Services& services);
// 1536 -> "1.50K", as Redis prints sizes for people.
std::string human_size(uint64_t bytes);

}  // namespace alfheim::server
