package main

import (
	"bytes"
	"os"
	"slices"
	"testing"
)

// A mutant whose text has moved on stands for a guard that nothing checks any more: it is noticed here, not by a run of many
// minutes.
func TestEveryMutantIsOfThisSource(t *testing.T) {
	all := slices.Clone(mutants)
	for _, u := range units {
		all = append(all, u.mutant)
	}
	for _, m := range all {
		source, err := os.ReadFile("../../../../" + m.file)
		if err != nil {
			t.Error(err)
			continue
		}
		if n := bytes.Count(source, []byte(m.from)); n != 1 {
			t.Errorf("%s: %s has the text %d times: %s", m.name, m.file, n, m.from)
		}
	}
}
