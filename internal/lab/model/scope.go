package model

import "github.com/crossfadedb/crossfade/internal/lab/search"

// Scope bounds what a search looks at: how much of everything there may be. What is 0 is not there at all.
type Scope struct {
	Changes  int8 // of the application, at most
	Live     int8 // records of the live topic, at most
	Snapshot int8 // records of the snapshot topic, at most
	Split    int8 // the stream's shard closes with this change, and a child follows
	Sweep    bool
	Replay   bool
	Rerun    bool // a replay raises the rerun
	Gap      bool // the stream forgets changes, and a restart begins a second generation
	Force    bool // a restart may begin it without a reason
	Third    bool // and then a third one
	Forgets  bool // the broker may forget the committed offsets
	Foreign  bool // anybody may set them to anything
	Dead     bool // a snapshot record may go to the dlq
	Most     int  // states; 0 is 50 million
}

// Search looks at every interleaving within the scope, or up to its bound, with these guards, and stops at the first
// thing that is wrong.
func (c Scope) Search(g Guards) search.Result {
	if c.Changes > maxChanges || c.Live > maxLive || c.Snapshot > maxSnap {
		panic("model: the scope does not fit a state")
	}
	most := c.Most
	if most == 0 {
		most = 50_000_000
	}
	return search.All(&world{Scope: c, decisions: newDecisions(g, c.Split)}, most)
}

// world is the system that is searched.
type world struct {
	Scope
	*decisions
}

var _ search.System[state, action] = (*world)(nil)

func (w *world) Initial() []state {
	var all []state
	for _, first := range []bool{true, false} {
		s := state{first: first, begin: none, shards: [2]shard{{said: fact{at: none}}, {said: fact{at: none}}}}
		if w.generations() > 1 { // create is behind us: the other scopes are about it
			w.start(&s, 0)
			s.append(entry{what: created})
			s.read = s.entries
			w.settle(&s)
		}
		all = append(all, s)
	}
	return all
}

func (w *world) Describe(s state) string { return s.String() }
