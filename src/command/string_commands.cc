// The rows of all string commands; the handlers stand in a file per theme.
#include "command/family.h"
#include "command/string_access.h"

namespace alfheim::command {

void add_string_rows(std::vector<Row>& rows) {
  add_string_set_rows(rows);
  add_string_get_rows(rows);
  add_string_edit_rows(rows);
  add_string_number_rows(rows);
  add_lcs_rows(rows);
  set_usages(rows, string_usages());
}

}  // namespace alfheim::command
