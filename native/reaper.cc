// The reaper: a small process that outlives a killed daemon just long enough to remove what the daemon left.
//
// It is forked before anything is created and holds one end of a SOCK_SEQPACKET pair. The daemon tells it what exists;
// when the daemon ends, however it ends, the kernel closes the other end, and the reaper removes what was not
// forgotten by then, and ends. After fork(2) in a process with threads only async-signal-safe calls are allowed: the
// child uses system calls, a table of its own and the netlink code, which allocates nothing.
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <set>

#include "cold.h"
#include "netlink.h"

namespace bridgeport {

// Persistent devices and socket files together; a host has ports in the hundreds.
constexpr size_t kCapacity = 1024;

enum class Order : uint8_t { watch, forget };
enum class Kind : uint8_t { interface, path, process, value, request };

// One order on its way to the child, and one line of its table. `device` and `inode` say which file or interface was
// meant (0: whichever has the name): a new daemon may have made one of the same name before the reaper looks. Of a value,
// `alias` is the text that goes back into the file; of a request it is a datagram for the kernel, `device` its length and
// `inode` the netlink family.
struct Record {
  bool used;
  Order order;
  Kind kind;
  uint64_t device, inode;
  char name[256];
  char alias[256];
};

// ---- the child ----

static void removePath(const Record& record) {
  struct stat status;
  if (record.inode != 0 &&
      (lstat(record.name, &status) < 0 || status.st_dev != record.device || status.st_ino != record.inode))
    return;
  unlink(record.name);
}

struct Lookup {
  const Record* record;
  int ifindex;
};

static void matchAlias(const nlmsghdr* answer, void* context) {
  auto* lookup = static_cast<Lookup*>(context);
  if (answer->nlmsg_type != RTM_NEWLINK) return;
  auto* body = static_cast<ifinfomsg*>(NLMSG_DATA(answer));
  const rtattr* alias = attribute(IFLA_RTA(body), static_cast<int>(IFLA_PAYLOAD(answer)), IFLA_IFALIAS);
  if (alias == nullptr || strncmp(static_cast<char*>(RTA_DATA(alias)), lookup->record->alias, RTA_PAYLOAD(alias)) != 0) return;
  if (strlen(lookup->record->alias) > RTA_PAYLOAD(alias)) return;
  if (lookup->record->inode == 0 || lookup->record->inode == static_cast<uint64_t>(body->ifi_index))
    lookup->ifindex = body->ifi_index;
}

static void removeInterface(Netlink& netlink, const Record& record) {
  Lookup lookup{&record, 0};
  Message query(RTM_GETLINK, 0);
  query.body<ifinfomsg>();
  query.put(IFLA_IFNAME, record.name);
  if (netlink.exchange(query, matchAlias, &lookup) != 0 || lookup.ifindex == 0) return;
  Message removal(RTM_DELLINK, 0);
  removal.body<ifinfomsg>()->ifi_index = lookup.ifindex;
  netlink.exchange(removal);
}

static void restore(const Record& record) {
  int fd = open(record.name, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t written = write(fd, record.alias, strlen(record.alias));
  static_cast<void>(written);  // the file's owner may be gone at this moment
  close(fd);
}

static void obey(Record* table, const Record& order) {
  Record* place = nullptr;
  for (size_t index = 0; index < kCapacity; index++) {
    Record* entry = &table[index];
    bool same = entry->used && entry->kind == order.kind && strcmp(entry->name, order.name) == 0;
    if (same || (!entry->used && place == nullptr)) place = entry;
    if (same) break;
  }
  if (place == nullptr) return;
  *place = order;
  place->used = order.order == Order::watch;
}

// Leaves the daemon's session, terminal, signals and descriptors; keeps `link` as descriptor 3.
static void detach(int link) {
  setsid();
  struct sigaction action {};
  for (int number = 1; number < 32; number++) {
    bool ignored = number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGPIPE || number == SIGQUIT;
    action.sa_handler = ignored ? SIG_IGN : SIG_DFL;
    sigaction(number, &action, nullptr);
  }
  prctl(PR_SET_NAME, "bridgeport-reap");
  dup2(link, 3);
  if (syscall(SYS_close_range, 4u, ~0u, 0u) < 0) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t fd = 4; fd < limit.rlim_cur; fd++) close(static_cast<int>(fd));
  }
  int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  if (null > 3) close(null);
  // The directory in which the daemon was started stays unmountable otherwise.
  if (chdir("/") < 0) _exit(1);
}

[[noreturn]] static void serve(int link) {
  detach(link);
  void* memory = mmap(nullptr, kCapacity * sizeof(Record), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) _exit(1);
  auto* table = static_cast<Record*>(memory);
  Record order;
  for (;;) {
    ssize_t got = recv(3, &order, sizeof order, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got != sizeof order) break;
    obey(table, order);
  }
  // Files first: they go at once, and the next daemon may be waiting for its socket's path.
  for (size_t index = 0; index < kCapacity; index++)
    if (table[index].used && table[index].kind == Kind::path) removePath(table[index]);
  // A child of the process that ended, which would have forgotten it before its number could go to another.
  for (size_t index = 0; index < kCapacity; index++)
    if (table[index].used && table[index].kind == Kind::process) kill(static_cast<pid_t>(table[index].inode), SIGKILL);
  for (size_t index = 0; index < kCapacity; index++)
    if (table[index].used && table[index].kind == Kind::value) restore(table[index]);
  // Twice: a table goes only when its chains are gone, whoever stands first.
  for (int pass = 0; pass < 2; pass++)
    for (size_t index = 0; index < kCapacity; index++)
      if (table[index].used && table[index].kind == Kind::request)
        netlinkSend(static_cast<int>(table[index].inode), table[index].alias, table[index].device);
  Netlink netlink;
  for (size_t index = 0; index < kCapacity; index++)
    if (table[index].used && table[index].kind == Kind::interface) removeInterface(netlink, table[index]);
  _exit(0);
}

// ---- the daemon ----

struct Reaper {
  Descriptor link;
  std::set<std::pair<Kind, std::string>> watched;
};

static Napi::Value reaperStart(const Napi::CallbackInfo& info) {
  auto* reaper = static_cast<Reaper*>(info.Data());
  if (reaper->link.get() >= 0) return info.Env().Undefined();
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) throw SystemError{errno, "socketpair", "", ""};
  Descriptor ours(pair[0]), theirs(pair[1]);
  // Twice, so that the reaper is init's child: the daemon need not wait for it, and it is never a zombie of ours.
  pid_t child = fork();
  if (child < 0) throw SystemError{errno, "fork", "", ""};
  if (child == 0) {
    pid_t second = fork();
    if (second == 0) serve(theirs.get());
    _exit(second < 0 ? errno : 0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) throw SystemError{WEXITSTATUS(status), "fork", "", ""};
  reaper->link = std::move(ours);
  return info.Env().Undefined();
}

static Kind kindOf(const std::string& kind) {
  const std::pair<const char*, Kind> names[] = {
      {"path", Kind::path}, {"process", Kind::process}, {"value", Kind::value}, {"request", Kind::request}};
  for (const auto& [name, value] : names)
    if (kind == name) return value;
  return Kind::interface;
}

static Record recordOf(const Napi::CallbackInfo& info, Order order) {
  Record record{};
  std::string name = text(info[1]), alias = text(info[2]);
  record.used = true;
  record.order = order;
  record.kind = kindOf(text(info[0]));
  if (record.kind == Kind::request && info[2].IsTypedArray()) {
    auto bytes = info[2].As<Napi::Uint8Array>();
    alias.assign(reinterpret_cast<char*>(bytes.Data()), bytes.ByteLength());
    record.device = alias.size();
    record.inode = static_cast<uint64_t>(info[3].As<Napi::Number>().Int32Value());
  }
  if (record.kind == Kind::interface) interfaceName(name, "send");
  // The child lives in "/".
  if ((record.kind == Kind::path || record.kind == Kind::value) && name[0] != '/') failPath(EINVAL, "send", name);
  if (name.size() >= sizeof record.name || alias.size() >= sizeof record.alias) failPath(ENAMETOOLONG, "send", name);
  memcpy(record.name, name.c_str(), name.size());
  memcpy(record.alias, alias.c_str(), alias.size());
  struct stat status;
  if (record.kind == Kind::process && (record.inode = strtoul(record.name, nullptr, 10)) < 2) failPath(EINVAL, "send", name);
  if (record.kind == Kind::interface) record.inode = if_nametoindex(record.name);
  if (record.kind == Kind::path && lstat(record.name, &status) == 0) {
    record.device = status.st_dev;
    record.inode = status.st_ino;
  }
  return record;
}

static void send(Reaper* reaper, const Record& record) {
  // EPIPE: the reaper was killed. Before reaperStart the descriptor is -1 and the call answers EBADF.
  while (::send(reaper->link.get(), &record, sizeof record, MSG_NOSIGNAL) < 0)
    if (errno != EINTR) throw SystemError{errno, "send", "", record.name};
}

static Napi::Value reaperWatch(const Napi::CallbackInfo& info) {
  auto* reaper = static_cast<Reaper*>(info.Data());
  Record record = recordOf(info, Order::watch);
  bool known = reaper->watched.count({record.kind, record.name}) > 0;
  if (!known && reaper->watched.size() >= kCapacity) throw SystemError{ENOSPC, "send", "", record.name};
  send(reaper, record);
  reaper->watched.insert({record.kind, record.name});
  return info.Env().Undefined();
}

static Napi::Value reaperForget(const Napi::CallbackInfo& info) {
  auto* reaper = static_cast<Reaper*>(info.Data());
  Record record = recordOf(info, Order::forget);
  if (reaper->watched.erase({record.kind, record.name}) > 0) send(reaper, record);
  return info.Env().Undefined();
}

void registerReaper(Napi::Env env, Napi::Object exports) {
  // Each thread that loads the addon has its own; the cleanup hook closes the link, which is what the child waits for.
  auto* reaper = new Reaper();
  napi_add_env_cleanup_hook(env, [](void* data) { delete static_cast<Reaper*>(data); }, reaper);
  expose<reaperStart>(env, exports, "reaperStart", reaper);
  expose<reaperWatch>(env, exports, "reaperWatch", reaper);
  expose<reaperForget>(env, exports, "reaperForget", reaper);
}

}  // namespace bridgeport
