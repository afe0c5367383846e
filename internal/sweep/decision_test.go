package sweep

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// answers are what the database says of one marker, one call after the other. An answer too many, or a call for which there is
// none, fails the test.
type answers struct {
	t      *testing.T
	look   []answer
	remove []answer
	back   []answer
	asked  []string
}

type answer struct {
	was   State
	taken []byte
	back  bool
	err   error
}

func (a *answers) next(list *[]answer, call string) answer {
	a.asked = append(a.asked, call)
	if len(*list) == 0 {
		a.t.Fatalf("%s was not to be asked: %v", call, a.asked)
	}
	first := (*list)[0]
	*list = (*list)[1:]
	return first
}

func (a *answers) Scan(context.Context, int, int, []byte) (Page, error) {
	return Page{}, errors.New("nothing is scanned here")
}

func (a *answers) Look(context.Context, Marker) (State, error) {
	next := a.next(&a.look, "look")
	return next.was, next.err
}

func (a *answers) Remove(ctx context.Context, _ Marker) (State, []byte, error) {
	if ctx.Done() != nil {
		a.t.Error("a removal must not be given up: nobody would know what it has removed")
	}
	next := a.next(&a.remove, "remove")
	return next.was, next.taken, next.err
}

func (a *answers) PutBack(_ context.Context, _ Marker, taken []byte) (bool, error) {
	require.Equal(a.t, "the item", string(taken))
	next := a.next(&a.back, "put back")
	return next.back, next.err
}

// What becomes of one marker, by what the database says when it is looked at, removed and put back.
func TestRemovalOfOneMarker(t *testing.T) {
	taken := []byte("the item")
	denied := &fault.Error{Class: fault.Fatal, Reason: "AccessDenied", What: "refused"}
	for name, c := range map[string]struct {
		look, remove, back []answer
		want               Summary
		asked              []string
		fails              string
	}{
		"it is still this marker": {
			look: []answer{{was: Same}}, remove: []answer{{was: Same}}, want: Summary{Removed: 1}, asked: []string{"look", "remove"},
		},
		"it is gone, or written again, when it is looked at": {
			look: []answer{{was: Changed}}, want: Summary{Changed: 1}, asked: []string{"look"},
		},
		"the application has updated it when it is looked at": {
			look: []answer{{was: Updated}}, want: Summary{Updated: 1, UpdatedKeys: []events.Key{"k"}}, asked: []string{"look"},
		},
		"it is gone, or written again, between look and removal": {
			look: []answer{{was: Same}}, remove: []answer{{was: Changed}}, want: Summary{Changed: 1}, asked: []string{"look", "remove"},
		},
		"the removal's answer says that it was updated": {
			look: []answer{{was: Same}}, remove: []answer{{was: Updated, taken: taken}}, back: []answer{{back: true}},
			want: Summary{Updated: 1, PutBack: 1, UpdatedKeys: []events.Key{"k"}}, asked: []string{"look", "remove", "put back"},
		},
		"putting back is tried again": {
			look: []answer{{was: Same}}, remove: []answer{{was: Updated, taken: taken}}, back: []answer{{err: slow("put")}, {err: slow("put")}, {back: true}},
			want: Summary{Updated: 1, PutBack: 1, UpdatedKeys: []events.Key{"k"}}, asked: []string{"look", "remove", "put back", "put back", "put back"},
		},
		"the application has written the row again before it is put back": {
			look: []answer{{was: Same}}, remove: []answer{{was: Updated, taken: taken}}, back: []answer{{back: false}},
			asked: []string{"look", "remove", "put back"}, fails: "the application has written the row again meanwhile",
		},
		"putting back is refused": {
			look: []answer{{was: Same}}, remove: []answer{{was: Updated, taken: taken}}, back: []answer{{err: denied}},
			asked: []string{"look", "remove", "put back"}, fails: "could not be put back",
		},
		"the look is throttled, then answered": {
			look: []answer{{err: slow("get")}, {was: Same}}, remove: []answer{{was: Same}}, want: Summary{Removed: 1}, asked: []string{"look", "look", "remove"},
		},
		"the look is refused": {
			look: []answer{{err: denied}}, asked: []string{"look"}, fails: "refused",
		},
		"the removal's answer is lost: the next look finds nothing": {
			look: []answer{{was: Same}, {was: Changed}}, remove: []answer{{err: slow("delete")}}, want: Summary{Changed: 1}, asked: []string{"look", "remove", "look"},
		},
		"the removal is throttled: it is looked at again first": {
			look: []answer{{was: Same}, {was: Updated}}, remove: []answer{{err: slow("delete")}},
			want: Summary{Updated: 1, UpdatedKeys: []events.Key{"k"}}, asked: []string{"look", "remove", "look"},
		},
		"the removal is refused": {
			look: []answer{{was: Same}}, remove: []answer{{err: denied}}, asked: []string{"look", "remove"}, fails: "refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table := &answers{t: t, look: c.look, remove: c.remove, back: c.back}
				s := New(Config{Markers: table, Grace: time.Hour})
				s.looked = time.Now()
				err := (&removal{Sweep: s}).one(t.Context(), Marker{Key: "k", Version: version(1)})
				require.Equal(t, c.asked, table.asked)
				require.Equal(t, c.want, s.summary)
				require.Empty(t, len(table.look)+len(table.remove)+len(table.back), "answers that nobody asked for")
				if c.fails == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, c.fails)
				require.Equal(t, fault.Fatal, fault.Of(err))
			})
		})
	}
}
