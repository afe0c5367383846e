package demo

import "math/rand/v2"

// Rows is what the application keeps in its table. All of it follows from the row's number and the change's: the same
// seed gives the same application.
type Rows interface {
	// Len is how many rows the table begins with.
	Len() int
	// Key is the key of row i as DynamoDB JSON, canonical (see events.Key). Rows from Len on are new ones.
	Key(i int) string
	// Item is row i as change wrote it; change 0 is how the table begins.
	Item(i int, change uint64) []byte
}

// kind is what a change does to its row.
type kind uint8

const (
	put    kind = iota // the whole item; of a deleted row it is a re-creation
	update             // UpdateItem; it too creates what is not there
	remove
)

// change is one thing that the application does.
type change struct {
	number uint64 // from 1 on
	row    int
	kind   kind
}

// The shape of the application, in changes of a hundred. The few hottest rows change several times within the time
// that a record needs through Kafka, so that changes overtake each other; the hot rows, spread over the whole table,
// are likely to change between being scanned and being applied, so that changes overtake the snapshot.
const (
	hottestChanges = 20
	hotChanges     = 40
	newRows        = 5
	removes        = 30
	updates        = 30

	hottestRows = 20 // so many rows are the hottest
	hotStride   = 50 // one row of so many is hot
)

// nth is change n of an application that began with count rows. It depends on nothing else.
func nth(seed, n uint64, count int) change {
	r := rand.New(rand.NewPCG(seed, n))
	c := change{number: n, row: r.IntN(count)}
	switch dice := r.IntN(100); {
	case dice < hottestChanges:
		c.row -= c.row % max(1, count/hottestRows)
	case dice < hottestChanges+hotChanges:
		c.row -= c.row % hotStride
	case dice < hottestChanges+hotChanges+newRows:
		c.row = count + int(n)
		return c // a new row begins with a put
	}
	switch dice := r.IntN(100); {
	case dice < removes:
		c.kind = remove
	case dice < removes+updates:
		c.kind = update
	}
	return c
}
