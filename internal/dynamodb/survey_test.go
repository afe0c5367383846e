package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
)

func never(Survey) bool { return false }

// What is at the end of a table of many pages is found, of every kind.
func TestSurveySeesEveryKindOfItemOnEveryPage(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t, embedded.Options{})
	survey, err := table.Survey(t.Context(), names, schema, Surveying{Enough: never})
	require.NoError(t, err)
	require.Equal(t, Survey{Generations: map[uint32]int64{}, Whole: true}, survey)

	first, third := events.Version{Generation: 1}.String(), events.Version{Generation: 3, Class: events.Live, Position: events.PositionAt(9)}.String()
	for i := range 30 {
		put(t, table, fmt.Sprintf(`{"pk":{"S":"p%d"},"sk":{"N":"1"},"cf:v":{"S":"%s"},"s":{"S":"%s"}}`, i, first, strings.Repeat("y", 100<<10)))
	}
	put(t, table, fmt.Sprintf(`{"pk":{"S":"gone"},"sk":{"N":"1"},"cf:v":{"S":"%s"},"cf:d":{"N":"1"}}`, third))
	survey, err = table.Survey(t.Context(), names, schema, Surveying{Enough: never})
	require.NoError(t, err)
	require.Equal(t, Survey{
		Items: 31, Whole: true, Generations: map[uint32]int64{1: 30, 3: 1}, Markers: 1, Highest: 3, Example: Found{keyAt("gone", 1), third},
	}, survey)

	put(t, table, `{"pk":{"S":"app"},"sk":{"N":"7"},"version":{"S":"its own"},"cf:d":{"BOOL":true}}`)
	put(t, table, `{"pk":{"S":"dead"},"sk":{"N":"7"},"cf:d":{"N":"5"}}`)
	put(t, table, `{"pk":{"S":"strange"},"sk":{"N":"7"},"cf:v":{"N":"5"}}`)
	survey, err = table.Survey(t.Context(), names, schema, Surveying{Enough: never})
	require.NoError(t, err)
	require.EqualValues(t, 34, survey.Items)
	require.Equal(t, Found{Key: keyAt("app", 7)}, survey.Unversioned, "a value that is no time makes no marker")
	require.Equal(t, Found{keyAt("dead", 7), `{"N":"5"}`}, survey.Dead)
	require.Equal(t, Found{keyAt("strange", 7), `{"N":"5"}`}, survey.Strange)
	require.EqualValues(t, 3, survey.Highest)
	parallel, err := table.Survey(t.Context(), names, schema, Surveying{Segments: 4, Enough: never})
	require.NoError(t, err)
	require.Equal(t, survey, parallel, "however many read it")

	part, err := table.Survey(t.Context(), names, schema, Surveying{Enough: func(s Survey) bool { return s.Items > 0 }})
	require.NoError(t, err)
	require.False(t, part.Whole)
	require.Less(t, part.Items, survey.Items)
}
