#pragma once

#if EMEND_GLOO
#include <memory>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "io/processes/process_group.h"

namespace emend {

// The network device over which Gloo connects this process with the others: that of
// GLOO_SOCKET_IFNAME (a name such as eth1), or the one that leads to rank 0. Gloo's own default is
// the address of the machine's host name, which is 127.0.1.1 on Debian, so that other machines
// cannot reach it. All processes of the group must call this.
std::shared_ptr<gloo::transport::Device> gloo_device(ProcessGroup& group);

}  // namespace emend
#endif
