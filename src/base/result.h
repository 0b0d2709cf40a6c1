// base/result: how a function says that it could not do what it was asked.
//
// Result<T> holds a T or an Error; Status is the Result of a function that returns
// nothing. Expected failures (bad input, a full disk, a corrupt block, "not in memory")
// travel here; a broken promise of our own code is ALF_CHECK's (base/check.h).
// No exception crosses a room, so every wrapper of a foreign library ends in one of these.
//
// Thread: values, freely movable. Lifetime: owns its message.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace alfheim::base {

// What kind of failure it is: who reads it decides what to do by this, never by the text.
enum class ErrorCode : unsigned char {
  kInvalidArgument,  // bad input, configuration or command line
  kNotFound,         // the named thing is not there
  kAlreadyExists,    // the named thing is there already (also: a directory locked by another)
  kCorruption,       // stored bytes fail their checksum or contradict themselves
  kIo,               // the operating system refused a read, write, sync or socket call
  kNoSpace,          // ENOSPC or EDQUOT: the caller may go on when there is room
  kWouldBlock,       // not in memory: ask again where blocking is allowed (env::ReadMode)
  kUnavailable,      // not now: no leader, closing, not yet caught up
  kLimit,            // a named limit was reached
  kInternal,         // a foreign library failed in a way that has no better name
};

// The name of a code as it appears in messages: "corruption", "io", ...
std::string_view error_code_name(ErrorCode code);

// What was tried, on what, what was found, what was expected.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  using Value = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool is_ok() const { return state_.index() == 0; }
  explicit operator bool() const { return is_ok(); }

  const T& value() const& {
    ALF_CHECK(is_ok());
    return std::get<0>(state_);
  }
  T& value() & {
    ALF_CHECK(is_ok());
    return std::get<0>(state_);
  }
  // By value: a reference into a Result that is about to go would dangle in
  // `for (x : f().value())` and `auto&& x = f().value()`.
  T value() && {
    ALF_CHECK(is_ok());
    return std::get<0>(std::move(state_));
  }
  const Error& error() const& {
    ALF_CHECK(!is_ok());
    return std::get<1>(state_);
  }
  Error error() && {
    ALF_CHECK(!is_ok());
    return std::get<1>(std::move(state_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

 private:
  std::variant<T, Error> state_;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool is_ok() const { return !error_.has_value(); }
  explicit operator bool() const { return is_ok(); }
  const Error& error() const& {
    ALF_CHECK(!is_ok());
    return *error_;
  }
  Error error() && {
    ALF_CHECK(!is_ok());
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

inline Status ok() { return Status(); }

}  // namespace alfheim::base

#define ALF_CONCAT_INNER(a, b) a##b
#define ALF_CONCAT(a, b) ALF_CONCAT_INNER(a, b)

// ALF_TRY(declaration, expression): on success `declaration = value`, else returns the Error.
#define ALF_TRY(declaration, expression) \
  ALF_TRY_INNER(declaration, expression, ALF_CONCAT(alf_try_result_, __LINE__))
#define ALF_TRY_INNER(declaration, expression, result)   \
  auto result = (expression);                            \
  if (!result.is_ok()) return std::move(result).error(); \
  declaration = std::move(result).value()

// ALF_TRY_STATUS(expression): returns the Error of a Status (or Result) that failed.
#define ALF_TRY_STATUS(expression)                                         \
  do {                                                                     \
    auto alf_try_status = (expression);                                    \
    if (!alf_try_status.is_ok()) return std::move(alf_try_status).error(); \
  } while (false)
