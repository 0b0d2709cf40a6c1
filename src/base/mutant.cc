#include "base/mutant.h"

#ifdef ALF_MUTANTS
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace alfheim::base {
namespace {

// A name that is misspelt must not pass as a run of the sound program, which all tests survive.
Mutant mutant_named(const char* name) {
  if (name == nullptr || *name == '\0') return Mutant::kNone;
#define ALF_MUTANT_TEST(known, sentence) \
  if (std::string_view(name) == #known) return Mutant::k##known;
  ALF_MUTANT_NAMES(ALF_MUTANT_TEST)
#undef ALF_MUTANT_TEST
  std::fprintf(stderr, "ALFHEIM_MUTANT=%s: there is no such mutant\n", name);
  std::exit(2);
}

const Mutant planted = mutant_named(std::getenv("ALFHEIM_MUTANT"));

}  // namespace

bool is_planted(Mutant mutant) { return mutant == planted; }

}  // namespace alfheim::base
#endif
