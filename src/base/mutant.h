// base/mutant: bugs planted on purpose, so that the tests have a score.
//
// `if (ALF_MUTANT(SyncSkipped))` stands where the bug would. In every build but one it is the
// constant false, and the compiler drops the branch with what hangs on it: what is shipped is as
// if it were not there. Built with ALF_MUTANTS (preset "mutants") one program holds all of them
// and has the one whose name the environment variable ALFHEIM_MUTANT gives, or none.
//
// That choice is the one thing here that is not handed to a constructor: tests, simulator and
// server must have it without knowing of it. It is read once, before main, and never changes, so
// that it is no state. docs/reliability.md ("The meter") tells how they are run.
#pragma once

#include <cstdlib>

#include "base/mutant_names.h"

namespace alfheim::base {

enum class Mutant {
  kNone,
#define ALF_MUTANT_ENUMERATOR(name, sentence) k##name,
  ALF_MUTANT_NAMES(ALF_MUTANT_ENUMERATOR)
#undef ALF_MUTANT_ENUMERATOR
};

#ifdef ALF_MUTANTS
bool is_planted(Mutant mutant);
#else
constexpr bool is_planted(Mutant) { return false; }
#endif

// What a planted bug has to remember from one call to the next: nothing in every other build.
#ifdef ALF_MUTANTS
template <typename T>
class MutantMemory {
 public:
  T& get() { return value_; }

 private:
  T value_{};
};
#else
template <typename T>
class MutantMemory {
 public:
  [[noreturn]] T& get() { std::abort(); }  // only ever behind the constant false
};
#endif

}  // namespace alfheim::base

#define ALF_MUTANT(name) (::alfheim::base::is_planted(::alfheim::base::Mutant::k##name))
