// libpcap's language to classic BPF: pcap_compile(3PCAP), pcap-filter(7). The library is looked for when it is asked for, so neither building
// nor running the switch needs it. A compilation has a thread of libuv's pool: names of hosts in it are asked of DNS.
#include <dlfcn.h>

#include <cstdint>
#include <vector>

#include "cold.h"

namespace bridgeport {

// What of pcap.h is needed; the library's ABI has kept it since 0.8.
struct Instruction {
  uint16_t code;
  uint8_t jt;
  uint8_t jf;
  uint32_t k;
};

struct Program {
  unsigned count;
  Instruction* instructions;
};

constexpr int kEthernet = 1;  // DLT_EN10MB
constexpr int kSnapshot = 262144;
constexpr uint32_t kNetmaskUnknown = 0xffffffff;

// An open library; what its functions made must be gone before it.
class Library {
 public:
  explicit Library(const std::vector<std::string>& names) {
    for (const std::string& name : names)
      if (!handle_) handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  Library(const Library&) = delete;
  ~Library() {
    if (handle_) dlclose(handle_);
  }
  template <typename Function>
  bool find(const char* name, Function& function) const {
    function = handle_ ? reinterpret_cast<Function>(dlsym(handle_, name)) : nullptr;
    return function != nullptr;
  }

 private:
  void* handle_ = nullptr;
};

class Compilation : public Napi::AsyncWorker {
 public:
  Compilation(Napi::Env env, std::string expression, std::vector<std::string> libraries)
      : AsyncWorker(env, "filterCompile"),
        deferred_(Napi::Promise::Deferred::New(env)),
        expression_(std::move(expression)),
        libraries_(std::move(libraries)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    Library library(libraries_);
    void* (*open)(int, int);
    int (*compile)(void*, Program*, const char*, int, uint32_t);
    void (*release)(Program*);
    const char* (*error)(void*);
    void (*close)(void*);
    if (!library.find("pcap_open_dead", open) || !library.find("pcap_compile", compile) ||
        !library.find("pcap_freecode", release) || !library.find("pcap_geterr", error) ||
        !library.find("pcap_close", close)) {
      code_ = "ELIBACC";
      return SetError("libpcap cannot be loaded");
    }
    void* pcap = open(kEthernet, kSnapshot);
    if (!pcap) return SetError("out of memory");
    Program program{0, nullptr};
    if (compile(pcap, &program, expression_.c_str(), 1, kNetmaskUnknown) == 0) {
      instructions_.assign(program.instructions, program.instructions + program.count);
      release(&program);
    } else {
      SetError(error(pcap));
    }
    close(pcap);
  }

  void OnOK() override {
    Napi::Int32Array pairs = Napi::Int32Array::New(Env(), instructions_.size() * 2);
    for (size_t i = 0; i < instructions_.size(); i++) {
      const Instruction& each = instructions_[i];
      pairs[2 * i] = static_cast<int32_t>(each.code | each.jt << 16 | static_cast<uint32_t>(each.jf) << 24);
      pairs[2 * i + 1] = static_cast<int32_t>(each.k);
    }
    deferred_.Resolve(pairs);
  }

  void OnError(const Napi::Error& failure) override {
    failure.Value().Set("code", Napi::String::New(Env(), code_));
    deferred_.Reject(failure.Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::string expression_;
  std::vector<std::string> libraries_;
  std::vector<Instruction> instructions_;
  const char* code_ = "EINVAL";
};

static Napi::Value filterCompile(const Napi::CallbackInfo& info) {
  std::vector<std::string> libraries;
  Napi::Array names = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < names.Length(); i++) libraries.push_back(text(names.Get(i)));
  auto* compilation = new Compilation(info.Env(), text(info[0]), std::move(libraries));
  compilation->Queue();
  return compilation->promise();
}

void registerFilter(Napi::Env env, Napi::Object exports) { expose<filterCompile>(env, exports, "filterCompile"); }

}  // namespace bridgeport
