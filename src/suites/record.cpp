#include "suites/record.h"

namespace emend {

bool is_locality(Group group) {
  switch (group) {
    case Group::text_locality:
    case Group::image_locality:
    case Group::random_image_locality:
    case Group::no_image_locality:
    case Group::consistent_image_locality:
      return true;
    default:
      return false;
  }
}

}  // namespace emend
