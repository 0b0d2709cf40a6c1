// command/family: the rows that each family of commands brings to the table.
//
// Each function appends its rows, in a fixed order; Table::make calls them all.
//
// Thread: any; they only build values.
#pragma once

#include <span>
#include <vector>

#include "command/table.h"
#include "command/usage.h"

namespace alfheim::command {

void add_generic_rows(std::vector<Row>& rows);
void add_string_rows(std::vector<Row>& rows);
void add_bitmap_rows(std::vector<Row>& rows);
void add_session_rows(std::vector<Row>& rows);

// Gives each row that a text names its usage; every name must be there.
void set_usages(std::vector<Row>& rows, std::span<const UsageText> texts);

}  // namespace alfheim::command
