// SPDX-License-Identifier: BSL-1.0
// TESTS_SANITIZED: 1 under AddressSanitizer or ThreadSanitizer, which bring an operator new of
// their own and stop the program where memory is out.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TESTS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TESTS_SANITIZED 1
#endif
#endif
#ifndef TESTS_SANITIZED
#define TESTS_SANITIZED 0
#endif
