// command/family: the rows that each family of commands brings to the table.
//
// Each function appends its rows, in a fixed order; Table::make calls them all.
//
// Thread: any; they only build values.
#pragma once

#include <vector>

#include "command/table.h"

namespace alfheim::command {

void add_generic_rows(std::vector<Row>& rows);
void add_string_rows(std::vector<Row>& rows);
void add_bitmap_rows(std::vector<Row>& rows);
void add_session_rows(std::vector<Row>& rows);

}  // namespace alfheim::command
