package newtable

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/expression"
)

// holds says by DynamoDB's rules whether an item satisfies a condition as a request states it; empty is no item.
func holds(t *testing.T, c Condition, member, item string) bool {
	t.Helper()
	var request struct {
		ConditionExpression, FilterExpression string
		ExpressionAttributeNames              map[string]string
		ExpressionAttributeValues             map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(append(c.Append([]byte(`{"TableName":"orders"`), member), '}'), &request))
	var values map[string]expression.Value
	if request.ExpressionAttributeValues != nil {
		values = map[string]expression.Value{}
	}
	for placeholder, raw := range request.ExpressionAttributeValues {
		value, err := expression.ParseValue(raw)
		require.NoError(t, err)
		values[placeholder] = value
	}
	scope := expression.NewScope(request.ExpressionAttributeNames, values)
	require.NoError(t, scope.Check())
	text := request.ConditionExpression + request.FilterExpression
	require.Equal(t, c.Text, text)
	condition, err := scope.Condition(member, text)
	require.NoError(t, err)
	require.NoError(t, scope.Unused(), "DynamoDB refuses a name or a value that is not used")
	if item == "" {
		return condition.Holds(nil)
	}
	return condition.Holds(expression.MustParseItem([]byte(item)))
}

func TestConditions(t *testing.T) {
	for name, k := range kinds() {
		t.Run(name, func(t *testing.T) {
			i, err := format.Parse([]byte(k.item))
			require.NoError(t, err)
			write := func(c Condition) bool { return holds(t, c, ConditionExpression, k.item) }
			filter := func(c Condition) bool { return holds(t, c, FilterExpression, k.item) }

			require.False(t, write(Never(schema)))
			require.False(t, write(Absent(schema)))
			require.Equal(t, k.held, write(format.AbsentOrLower(version(6))))
			require.Equal(t, k.lower, write(format.AbsentOrLower(version(5))), "an equal one is not lower")
			require.Equal(t, k.lower, write(format.AbsentOrLower(version(4))))
			require.Equal(t, k.held, filter(format.Lower(version(6))))
			require.Equal(t, k.lower, filter(format.Lower(version(5))))
			require.Equal(t, k.looks, filter(format.Deleted()))
			require.Equal(t, k.looks || k.own, filter(format.DeletedOrOwn()))

			// What was read is what the condition asks for, and nothing else is.
			require.Equal(t, k.is, i.Is(k.version, k.deleted))
			if k.is {
				require.True(t, write(format.Is(k.version, k.deleted)))
			}
			for _, v := range []events.Version{{}, version(4), version(5), version(6)} {
				for _, d := range []string{"1700000000", "170", "3"} {
					if i.Is(v, d) {
						require.True(t, write(format.Is(v, d)), "%s %s", v, d)
						require.True(t, k.is && v == k.version)
					} else if i.Marker() {
						require.False(t, write(format.Is(v, d)), "%s %s", v, d)
					}
				}
			}
		})
	}
	t.Run("no item", func(t *testing.T) {
		require.False(t, holds(t, Never(schema), ConditionExpression, ""))
		require.True(t, holds(t, Absent(schema), ConditionExpression, ""))
		require.True(t, holds(t, format.AbsentOrLower(version(1)), ConditionExpression, ""))
		require.False(t, holds(t, format.Is(version(1), ""), ConditionExpression, ""))
		require.False(t, holds(t, format.Is(events.Version{}, "1"), ConditionExpression, ""))
	})
}

// Invariant 1 stands on the bytes that are made beforehand: they are the condition's own.
func TestPreparedConditionIsTheCondition(t *testing.T) {
	for _, v := range []events.Version{{Generation: 1}, version(5), {Generation: 2, Rerun: 7}} {
		require.Equal(t, string(format.AbsentOrLower(v).Append([]byte("x"), ConditionExpression)), string(format.AppendAbsentOrLower([]byte("x"), v)))
	}
}

func TestProjection(t *testing.T) {
	var request struct {
		ProjectionExpression     string
		ExpressionAttributeNames map[string]string
	}
	require.NoError(t, json.Unmarshal(append(format.AppendProjection([]byte(`{"TableName":"orders"`)), '}'), &request))
	scope := expression.NewScope(request.ExpressionAttributeNames, nil)
	projection, err := scope.Projection("ProjectionExpression", request.ProjectionExpression)
	require.NoError(t, err)
	require.NoError(t, scope.Unused())
	whole := expression.MustParseItem([]byte(item(five, deleted, shard, theirs)))
	require.Equal(t, expression.MustParseItem([]byte(item(five, deleted))), projection.Of(whole))
}
