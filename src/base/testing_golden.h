// base/testing_golden: bytes of a format as some version wrote them first, for tests.
//
// They lie below tests/golden/ROOM/vN/. Not for the product.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "base/bytes.h"
#include "base/format.h"

namespace alfheim::base {

// For people that compare two of them.
inline std::string hex_of(ByteView bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    text += format("{:02x}{}", static_cast<unsigned char>(bytes[i]),
                   i % 16 == 15 || i + 1 == bytes.size() ? "\n" : " ");
  }
  return text;
}

// `name` as "net/v1/Hello", below tests/golden in `source_dir` (ALF_SOURCE_DIR).
inline Bytes golden_bytes(const std::string& source_dir, const std::string& name) {
  const std::string path = source_dir + "/tests/golden/" + name;
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

// The same, which must be what is written now. That lies in the test's temporary directory, for
// whoever adds a version.
inline Bytes golden_bytes(const std::string& source_dir, const std::string& name,
                          const Bytes& written) {
  std::string flat = name;
  std::replace(flat.begin(), flat.end(), '/', '_');
  std::ofstream(testing::TempDir() + "alf_golden_" + flat, std::ios::binary) << written;
  const Bytes bytes = golden_bytes(source_dir, name);
  EXPECT_EQ(hex_of(bytes), hex_of(written)) << name;
  return bytes;
}

}  // namespace alfheim::base
