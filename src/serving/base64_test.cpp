#include "serving/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace emend {
namespace {

std::string decoded(std::string_view text) {
  const auto bytes = decode_base64(text);
  return bytes ? std::string(bytes->begin(), bytes->end()) : "malformed";
}

TEST(Base64, DecodesTheVectorsOfTheStandard) {  // RFC 4648, section 10
  EXPECT_EQ(decoded(""), "");
  EXPECT_EQ(decoded("Zg=="), "f");
  EXPECT_EQ(decoded("Zm8="), "fo");
  EXPECT_EQ(decoded("Zm9v"), "foo");
  EXPECT_EQ(decoded("Zm9vYg=="), "foob");
  EXPECT_EQ(decoded("Zm9vYmE="), "fooba");
  EXPECT_EQ(decoded("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decoded("+/+/"), "\xfb\xff\xbf");
}

TEST(Base64, RefusesEverythingElse) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zm9v\n", "Zm-v",
                           "Zh==", "Zm9=", "Z=9v", "Zg==Zg=="})
    EXPECT_EQ(decoded(text), "malformed") << text;
}

}  // namespace
}  // namespace emend
