// The dashboard asks for nothing that /metrics does not print (that it is JSON: ctest
// lint.dashboard).
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "server/http_pages.h"
#include "server/session_testing.h"

namespace alfheim::server {
namespace {

std::set<std::string> matches(const std::string& text, const char* pattern) {
  const std::regex expression(pattern);
  std::set<std::string> names;
  for (auto found = std::sregex_iterator(text.begin(), text.end(), expression);
       found != std::sregex_iterator(); ++found) {
    names.insert((*found)[1]);
  }
  return names;
}

TEST(Dashboard, NamesOnlyMetricsThatArePrinted) {
  std::ifstream file(ALF_SOURCE_DIR "/docs/grafana/alfheimdb.json");
  ASSERT_TRUE(file.good());
  const std::string dashboard{std::istreambuf_iterator<char>(file), {}};
  TestNode node;
  const std::set<std::string> printed =
      matches(metrics_page(node.services()).body, R"(# TYPE (\S+) )");
  const std::set<std::string> named = matches(dashboard, R"(\b((?:alfheimdb|process)_[a-z_]+))");
  EXPECT_GT(named.size(), 40u);
  for (const std::string& name : named) EXPECT_TRUE(printed.contains(name)) << name;
}

}  // namespace
}  // namespace alfheim::server
