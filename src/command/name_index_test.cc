#include "command/name_index.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command/table.h"

namespace alfheim::command {
namespace {

TEST(NameIndex, FindsNamesOfEachLengthInAnyCaseAndNothingElse) {
  std::vector<Row> rows(NameIndex::kNameBytesMax);
  NameIndex index;
  const std::string letters = "abcdefghijklmnopqrstuvwxyz";
  for (size_t i = 0; i < rows.size(); ++i) index.add(letters.substr(0, i + 1), &rows[i]);
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string name = letters.substr(0, i + 1);
    for (size_t flip = 0; flip < name.size(); ++flip) {
      std::string word = name;
      word[flip] = static_cast<char>(word[flip] - 'a' + 'A');
      EXPECT_EQ(index.find(word), &rows[i]) << word;
      // Neighbours of letters in ASCII, and what differs from them in the bit of case only.
      for (const char other : {'@', '[', '`', '{', '\0', '\xc1', '|'}) {
        word[flip] = other;
        EXPECT_EQ(index.find(word), nullptr) << word;
      }
    }
  }
  EXPECT_EQ(index.find(""), nullptr);
  EXPECT_EQ(index.find(letters), nullptr);
}

TEST(NameIndex, TheWholeTableIsFoundByItsNames) {
  const std::unique_ptr<const Table> table = Table::make();
  for (const Row* row : table->rows()) EXPECT_EQ(table->find(row->name), row) << row->name;
}

}  // namespace
}  // namespace alfheim::command
