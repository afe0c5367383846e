package operate

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A check that finds a problem hides none that follows, and a doubt forbids nothing.
func TestChecksAreMadeInTheirOrderAndHideNoOther(t *testing.T) {
	var made []string
	one := func(what, found string, err error, when func() bool) check {
		return check{what: what, when: when, look: func(context.Context) (string, error) {
			made = append(made, what)
			return found, err
		}}
	}
	checks := look(t.Context(), []check{
		one("fine", "all there", nil, nil),
		one("problems", "something", errors.Join(errors.New("one"), errors.New("another")), nil),
		one("not now", "", nil, func() bool { return false }),
		one("doubt", "so far", fmt.Errorf("a caller says: %w", doubt("who knows")), nil),
		one("after a problem", "there", nil, func() bool { return len(made) == 3 }),
	})
	require.Equal(t, []Check{
		{What: "fine", Found: "all there"},
		{What: "problems", Problem: "one; another"},
		{What: "doubt", Found: "so far", Warning: "who knows"},
		{What: "after a problem", Found: "there"},
	}, checks, "a check is asked whether it is to be made when it is its turn")
	require.True(t, refused(checks))
	require.False(t, refused([]Check{checks[0], checks[2], checks[3]}))
}
