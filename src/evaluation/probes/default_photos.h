#pragma once

#include <cstddef>

namespace emend {

// Files that cmake/embed.cmake embeds into the program.
struct EmbeddedFile {
  const char* name;  // file name without folders
  const unsigned char* bytes;
  size_t size;
};
extern const EmbeddedFile kDefaultPhotos[];
extern const size_t kDefaultPhotosCount;

// JSON arrays of {"prompt", "answer"}, and {"image", "prompt", "answer"}.
extern const char* const kDefaultQuestions;
extern const char* const kDefaultPhotoQuestions;

}  // namespace emend
