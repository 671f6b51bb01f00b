#include "io/files/file_kind.h"

#include <gtest/gtest.h>

#include "io/files/file.h"
#include "io/image/image.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

TEST(FileKind, IsDetectedFromTheFirstBytes) {
  EXPECT_EQ("a JPEG picture", file_kind("\xff\xd8\xff\xe0"));
  EXPECT_EQ("a GIF picture", file_kind("GIF89a"));
  EXPECT_EQ("a WebP picture", file_kind(std::string_view("RIFF\x10\0\0\0WEBPVP8 ", 16)));
  EXPECT_EQ("a TIFF picture", file_kind(std::string_view("II*\0\x08\0\0\0", 8)));
  EXPECT_EQ("a ZIP archive", file_kind("PK\x03\x04..."));
  EXPECT_EQ("a gzip archive", file_kind("\x1f\x8b\x08"));
  EXPECT_EQ("a PDF document", file_kind("%PDF-1.7"));
  EXPECT_EQ("JSON text", file_kind(" \n{\"a\": 1}"));
  EXPECT_EQ("JSON text", file_kind("[1, 2]"));
  EXPECT_EQ("HTML or XML text", file_kind("<!DOCTYPE html>"));
  EXPECT_EQ("text", file_kind("some words\n"));
  EXPECT_EQ("empty", file_kind(""));
  EXPECT_EQ("blank", file_kind(" \n"));
  EXPECT_EQ("text", file_kind("\u00e9"));
  EXPECT_EQ("", file_kind("\xff\xff\xff\xff"));
  EXPECT_EQ("", file_kind(std::string_view("\x10\0\0\0\0\0\0\0", 8)));
}

TEST(FileKind, ReadsTheBeginningOfFiles) {
  TemporaryFolder folder;
  write_png(folder.file("a"), {1, 1, {1, 2, 3}});
  EXPECT_EQ("a PNG picture", file_kind_of(folder.file("a")));
  write_file(folder.file("b"), "");
  EXPECT_EQ("empty", file_kind_of(folder.file("b")));
  EXPECT_EQ("", file_kind_of(folder.file("c")));
  EXPECT_EQ("", file_kind_of(folder.path()));
  write_safetensors(folder.file("d"), {{"x", at::ones({1})}});
  EXPECT_EQ("", file_kind_of(folder.file("d")));
}

}  // namespace
}  // namespace emend
