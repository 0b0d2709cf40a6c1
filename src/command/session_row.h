// command/session_row: how rows of commands without a Handler are written down.
//
// Thread: any; values.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "command/table.h"

namespace alfheim::command {

struct RowDocs {
  std::string_view summary;
  std::string_view since;
  std::string_view group;
  std::string_view complexity;
};

inline Row container_row(std::string_view name, int arity, uint32_t flags,
                         std::string_view acl_categories, std::vector<std::string_view> tips,
                         const RowDocs& docs) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .acl_categories = acl_categories,
          .tips = std::move(tips),
          .summary = docs.summary,
          .since = docs.since,
          .group = docs.group,
          .complexity = docs.complexity};
}

// A command that the server room executes.
inline Row session_row(std::string_view name, int arity, uint32_t flags,
                       std::string_view acl_categories, std::vector<std::string_view> tips,
                       const RowDocs& docs) {
  return container_row(name, arity, flags | kSession, acl_categories, std::move(tips), docs);
}

}  // namespace alfheim::command
