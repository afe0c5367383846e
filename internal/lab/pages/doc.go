// Package pages has the tests of what people read: README, CONTRIBUTING, the changelog, docs and the debugger's script. What a page
// names must be there: files, links and their anchors, targets of make, flags, tests, and the functions and types of
// this program. It has tests only.
package pages
