// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package browser has tests of the funnel page in a real browser. It is a module of its own, so that nobody else
// downloads what drives one. The tests need Chromium (Debian: apt-get install chromium):
//
//	go test -tags e2e ./...
//
// With PAGE_URL they look at the page of a running Collector instead of one that they serve themselves, and leave out
// what needs other numbers. With SCREENSHOTS they write pictures of the page into that folder.
package browser
