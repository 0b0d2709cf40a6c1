#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace alfheim::base {
namespace {

// Tells whether it is still there, so that a use after its end is seen without a sanitizer.
class Guest {
 public:
  explicit Guest(bool& is_there) : is_there_(&is_there) { *is_there_ = true; }
  Guest(Guest&& other) noexcept : is_there_(std::exchange(other.is_there_, nullptr)) {}
  Guest& operator=(Guest&&) = delete;
  ~Guest() {
    if (is_there_ != nullptr) *is_there_ = false;
  }
  std::vector<int> numbers{1, 2, 3};

 private:
  bool* is_there_;
};

Result<Guest> invite(bool& is_there) { return Guest(is_there); }
Result<std::vector<int>> refuse() { return Error{ErrorCode::kIo, "read a file: refused"}; }
Status refuse_status() { return Error{ErrorCode::kIo, "read a file: refused"}; }

static_assert(std::is_same_v<decltype(std::declval<Result<int>>().value()), int>);
static_assert(std::is_same_v<decltype(*std::declval<Result<int>>()), int>);
static_assert(std::is_same_v<decltype(std::declval<Result<int>>().error()), Error>);
static_assert(std::is_same_v<decltype(std::declval<Status>().error()), Error>);

TEST(Result, TheValueOfAResultThatGoesOutlivesIt) {
  bool is_there = false;
  {
    const auto& guest = invite(is_there).value();
    EXPECT_TRUE(is_there);
    EXPECT_EQ(guest.numbers.size(), 3u);
  }
  EXPECT_FALSE(is_there);
  int sum = 0;
  for (const int number : invite(is_there).value().numbers) {
    EXPECT_TRUE(is_there);
    sum += number;
  }
  EXPECT_EQ(sum, 6);
  const auto& guest = *invite(is_there);
  EXPECT_TRUE(is_there);
  EXPECT_EQ(guest.numbers.size(), 3u);
}

TEST(Result, TheErrorOfAResultThatGoesOutlivesIt) {
  const std::string& of_result = refuse().error().message;
  const std::string& of_status = refuse_status().error().message;
  EXPECT_EQ(of_result, "read a file: refused");
  EXPECT_EQ(of_status, "read a file: refused");
}

TEST(Result, AValueThatOnlyMovesIsMovedOut) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}

}  // namespace
}  // namespace alfheim::base
