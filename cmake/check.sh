# What `./x check` does beyond `./x test`, with the functions of `x`: other compilers, another standard library,
# another processor, ThreadSanitizer, the embedded model, models of real sizes, the fuzzers and clang-tidy.

check_packages() {
  has clang++ || echo clang
  has clang-tidy || echo clang-tidy
  has qemu-aarch64 || echo qemu-user
  has aarch64-linux-gnu-g++ || echo g++-aarch64-linux-gnu
  [ -d /usr/src/googletest ] || echo googletest
  # What Debian 12 has beside clang 14: OpenMP, the fuzzers' runtime, and libc++ of about macOS's age.
  for package in libomp-dev libclang-rt-14-dev libc++-16-dev; do installed "$package" || echo "$package"; done
}
installed() { dpkg -s "$1" >/dev/null 2>&1; }

# The libraries for arm64 come from its own packages, for which apt must know the architecture.
check_arm64_packages() {
  installed zlib1g-dev:arm64 || echo zlib1g-dev:arm64
  installed libutf8proc-dev:arm64 || echo libutf8proc-dev:arm64
}

check_clang() {
  build clang xattn xattn-cli xattn-demo xattn_readers_test xattn_text_test xattn_pictures_test xattn_kernels_test
  await_originals
  say "Testing build/clang"
  run_tests clang
}

# The library's and the programs' sources as `build/clang` compiles them, but with libc++ as macOS has it. Only
# their syntax is checked, for nothing that they would be linked with is made for libc++.
check_libcxx() {
  say "Checking the sources with libc++"
  sed -n 's/^ *"command": "\(.*\)",$/\1/p' build/clang/compile_commands.json |
    grep -E ' (src|apps)/CMakeFiles/(xattn|xattn_readers|xattn_text|xattn_images|xattn_kernels|xattn_app_support|xattn-cli|xattn-demo)\.dir/' |
    sed -E 's/\\"/"/g; s/\\\\/\\/g; s/ -Xclang -include-pch -Xclang [^ ]+//; s/ -Xclang -include -Xclang [^ ]+//; s/ -o [^ ]+//; s|$| -stdlib++-isystem /usr/lib/llvm-16/include/c++/v1 -fsyntax-only|' >build/clang/libcxx-commands
  [ -s build/clang/libcxx-commands ] || fail "no sources to check in build/clang/compile_commands.json"
  run_logged libcxx sh -c 'cd build/clang && xargs -P "$1" -d "\n" -n 1 sh -c <libcxx-commands' sh "${XATTN_JOBS:-$(jobs)}"
}

check_arm64() {
  if [ ! -d build/arm64-googletest/lib ]; then
    say "Building googletest for arm64"
    run_logged arm64-googletest-configure cmake -S /usr/src/googletest -B build/arm64-googletest/build -G Ninja \
      --toolchain "$PWD/cmake/arm64-linux.cmake" -DCMAKE_INSTALL_PREFIX="$PWD/build/arm64-googletest" -DBUILD_GMOCK=OFF
    run_logged arm64-googletest cmake --build build/arm64-googletest/build --target install
  fi
  fmt=$("$python" -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "include"))')
  configure arm64 -DXATTN_FMT_INCLUDE_DIR="$fmt"
  compile arm64 all
  say "Testing build/arm64 under qemu"
  run_tests arm64
}

# LibTorch itself is not instrumented: with one OpenMP thread, whose barriers ThreadSanitizer does not see, only what
# is ours is watched.
check_threads() {
  build tsan xattn_text_test xattn_schedulers_test xattn_ops_test xattn_nn_test xattn_simple_unet_test \
    xattn_unet_test xattn_pipelines_test
  await_originals
  say "Testing under ThreadSanitizer"
  run_tests tsan
}

# The embedded model draws what it is asked for. That it learns something new is a test by hand: ctest --preset fine_tuning.
check_model() {
  build release xattn-cli bada-scenes bada-judge
  await_originals
  say "Testing the embedded model"
  run_tests quality
}

# Models of real sizes beside Python: minutes, 10 GiB of memory and 6 GiB of disk.
check_full_size() {
  build release xattn-cli
  await_originals
  say "Testing models of real sizes"
  run_tests full_size
}

check_fuzzers() {
  build fuzz xattn_fuzzers
  say "Running each fuzzer for 20 seconds"
  "$python" tests/fuzz/run.py build/fuzz --seconds 20
}

# The lines that differ from origin/main or, without one, from the last commit: of as many sources as a few
# minutes allow.
check_tidy() {
  base=$(git merge-base HEAD origin/main 2>/dev/null || true)
  [ -n "$base" ] && [ "$base" != "$(git rev-parse HEAD)" ] || base=$(git rev-parse --quiet --verify HEAD~1 || true)
  [ -n "$base" ] || { say "clang-tidy: there is no commit to compare with"; return 0; }
  changed=$(git diff --name-only --diff-filter=d "$base" -- 'src/*.cpp' 'apps/*.cpp')
  [ -n "$changed" ] || { say "clang-tidy: no source has changed"; return 0; }
  files=$(printf '%s\n' "$changed" | head -n 12)
  configure tidy
  say "clang-tidy on $(printf '%s\n' "$files" | wc -l) of $(printf '%s\n' "$changed" | wc -l) changed sources"
  # shellcheck disable=SC2086  # a list of files
  git diff -U0 "$base" -- $files |
    clang-tidy-diff -p1 -path build/tidy -j "$(getconf _NPROCESSORS_ONLN)" -quiet \
      -extra-arg=-Wno-unknown-warning-option >"$LOGS/clang-tidy.log" 2>&1 || fail "clang-tidy failed (see $LOGS/clang-tidy.log)"
  ! grep -E -A 3 '(warning|error):' "$LOGS/clang-tidy.log" || fail "clang-tidy: see above"
}

check_all() {
  # shellcheck disable=SC2046  # lists of packages
  install $(check_packages)
  if [ -n "$(check_arm64_packages)" ]; then
    dpkg --print-foreign-architectures | grep -q arm64 || dpkg --add-architecture arm64
    # shellcheck disable=SC2046
    install $(check_arm64_packages)
  fi
  check_clang
  check_libcxx
  check_arm64
  check_threads
  check_model
  check_full_size
  check_fuzzers
  check_tidy
}
