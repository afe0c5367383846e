package events

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	kafka "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/dynamojson"
	"github.com/crossfadedb/crossfade/internal/events/eventstest"
)

func schemaOf(types ...string) KeySchema {
	s := KeySchema{}
	for i, t := range types {
		s = append(s, KeyAttribute{Name: []string{"pk", "sk"}[i], Type: t})
	}
	return s
}

func TestKeyCanonical(t *testing.T) {
	for _, c := range []struct {
		schema KeySchema
		text   string
		want   Key
	}{
		{schemaOf("S"), `{"pk":{"S":"a"}}`, `{"pk":{"S":"a"}}`},
		{schemaOf("S"), " {\n\"pk\" :\t{ \"S\" : \"a\" } } ", `{"pk":{"S":"a"}}`},
		{schemaOf("S"), `{"p\u006b":{"S":"\u00e9"}}`, `{"pk":{"S":"é"}}`},
		{schemaOf("S"), `{"pk":{"S":"é"}}`, `{"pk":{"S":"é"}}`},
		{schemaOf("S"), `{"pk":{"S":"e\u0301"}}`, `{"pk":{"S":"e` + "\u0301" + `"}}`},
		{schemaOf("S"), `{"pk":{"S":"\ud83d\ude00"}}`, `{"pk":{"S":"😀"}}`},
		{schemaOf("S"), `{"pk":{"S":"\u0000\u001f\u007f\n"}}`, `{"pk":{"S":"\u0000\u001f` + "\x7f" + `\n"}}`},
		{schemaOf("S"), `{"pk":{"S":"\u003c\u0026\u2028\/"}}`, "{\"pk\":{\"S\":\"<&\u2028/\"}}"},
		{schemaOf("S"), `{"pk":{"S":"\"\\"}}`, `{"pk":{"S":"\"\\"}}`},
		{schemaOf("S", "N"), `{"sk":{"N":"1.0"},"pk":{"S":"a"}}`, `{"pk":{"S":"a"},"sk":{"N":"1"}}`},
		{schemaOf("N"), `{"pk":{"N":"-0.00"}}`, `{"pk":{"N":"0"}}`},
		{schemaOf("N"), `{"pk":{"N":"\u0031e0"}}`, `{"pk":{"N":"1"}}`},
		{schemaOf("B"), `{"pk":{"B":"QQ=="}}`, `{"pk":{"B":"QQ=="}}`},
		{schemaOf("B"), `{"pk":{"B":"QR=="}}`, `{"pk":{"B":"QQ=="}}`}, // bits behind the last byte
		{schemaOf("B"), `{"pk":{"B":"\/\u002b8="}}`, `{"pk":{"B":"/+8="}}`},
		{schemaOf("B"), `{"pk":{"B":"QQ\r\n==\n"}}`, `{"pk":{"B":"QQ=="}}`}, // lines as in a mail
		{schemaOf("S"), `{"pk":{"S":"\u0041"}}`, `{"pk":{"S":"A"}}`},
		{schemaOf("N"), `{"pk":{"N":"1.00E-130"}}`, `{"pk":{"N":"1E-130"}}`},
		{schemaOf("N"), `{"pk":{"N":"-9.9999999999999999999999999999999999999e125"}}`, `{"pk":{"N":"-99999999999999999999999999999999999999E88"}}`},
	} {
		got, err := NewDecoder(c.schema).Key([]byte(c.text))
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got)
	}
}

func TestKeyRefuses(t *testing.T) {
	for _, c := range []struct {
		schema KeySchema
		text   string
	}{
		{schemaOf("S"), ``},
		{schemaOf("S"), `garbage`},
		{schemaOf("S"), `"a"`},
		{schemaOf("S"), `{}`},
		{schemaOf("S"), `{"PK":{"S":"a"}}`},
		{schemaOf("S"), `{"pk":{"S":""}}`},
		{schemaOf("S"), `{"pk":{"N":"1"}}`},
		{schemaOf("S"), `{"pk":{"S":1}}`},
		{schemaOf("S"), `{"pk":{"S":null}}`},
		{schemaOf("S"), `{"pk":{"S":["a"]}}`},
		{schemaOf("S"), `{"pk":{"SS":["a"]}}`},
		{schemaOf("S"), `{"pk":{"S":"a"},"x":{"S":"a"}}`},
		{schemaOf("S", "S"), `{"pk":{"S":"a"}}`},
		{schemaOf("S", "S"), `{"pk":{"S":"a"},"x":{"S":"a"}}`},
		{schemaOf("N"), `{"pk":{"N":"one"}}`},
		{schemaOf("N"), `{"pk":{"N":1}}`},
		{schemaOf("N"), `{"pk":{"N":"1E126"}}`},
		{schemaOf("N"), `{"pk":{"N":"123456789012345678901234567890123456789"}}`},
		{schemaOf("N"), `{"pk":{"S":"1"}}`},
		{schemaOf("B"), `{"pk":{"B":""}}`},
		{schemaOf("B"), `{"pk":{"B":"\n"}}`}, // no byte at all
		{schemaOf("B"), `{"pk":{"B":"QQ"}}`},
		{schemaOf("B"), `{"pk":{"B":"_-8="}}`},
		{schemaOf("B"), `{"pk":{"B":"?"}}`},
	} {
		got, err := NewDecoder(c.schema).Key([]byte(c.text))
		require.Error(t, err, c.text)
		requireReason(t, err, KeyMismatch)
		require.Empty(t, got)
	}
}

// plainKey is a key before any text is made of it.
type plainKey struct {
	schema KeySchema
	values []string
}

func drawPlainKey(t *rapid.T) plainKey {
	k := plainKey{}
	names := rapid.SliceOfNDistinct(eventstest.Strings.Filter(func(s string) bool { return s != "" }), 1, 2, rapid.ID[string]).Draw(t, "names")
	for _, name := range names {
		a := KeyAttribute{Name: name, Type: rapid.SampledFrom([]string{"S", "N", "B"}).Draw(t, "type")}
		k.schema = append(k.schema, a)
		switch a.Type {
		case "S":
			k.values = append(k.values, eventstest.Strings.Filter(func(s string) bool { return s != "" }).Draw(t, "string"))
		case "N":
			k.values = append(k.values, eventstest.DrawSpelling(t, "number").Text)
		case "B":
			raw := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "bytes")
			k.values = append(k.values, base64.StdEncoding.EncodeToString(raw))
		}
	}
	return k
}

// text draws one JSON text of the key: members in any order, spaces and escapes at will, and more members if asked.
func (k plainKey) text(t *rapid.T, more ...string) []byte {
	members := more
	for i, a := range k.schema {
		members = append(members, fmt.Sprintf("%s:%s{%q%s:%s%s}", eventstest.Quoted(t, a.Name), eventstest.Space(t), a.Type, eventstest.Space(t), eventstest.Space(t), eventstest.Quoted(t, k.values[i])))
	}
	members = rapid.Permutation(members).Draw(t, "order")
	return []byte("{" + eventstest.Space(t) + strings.Join(members, eventstest.Space(t)+",") + "}")
}

// Every text of a key, alone or in an item, gives one and the same Key, and the Key is a text of itself.
func TestKeyIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawPlainKey(t)
		d := NewDecoder(k.schema)
		a, err := d.Key(k.text(t))
		require.NoError(t, err)
		b, err := d.Key(k.text(t))
		require.NoError(t, err)
		require.Equal(t, a, b)
		again, err := d.Key([]byte(a))
		require.NoError(t, err)
		require.Equal(t, a, again)

		item, err := d.Item(k.text(t, `"another name of an attribute":{"L":[]}`))
		require.NoError(t, err)
		ofItem, err := k.schema.Key(item)
		require.NoError(t, err)
		require.Equal(t, a, ofItem)
	})
}

// The canonical text says what the key says, to a decoder that is not ours.
func TestKeyKeepsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawPlainKey(t)
		key, err := NewDecoder(k.schema).Key(k.text(t))
		require.NoError(t, err)
		require.True(t, json.Valid([]byte(key)))
		var plain map[string]map[string]string
		require.NoError(t, json.Unmarshal([]byte(key), &plain))
		require.Len(t, plain, len(k.schema))
		for i, a := range k.schema {
			want := k.values[i]
			if a.Type == "N" {
				want, err = dynamojson.CanonicalNumber(want)
				require.NoError(t, err)
			}
			require.Equal(t, map[string]string{a.Type: want}, plain[a.Name])
		}
	})
}

func TestKeySchema(t *testing.T) {
	a := KeySchema{{Name: "country", Type: "S"}, {Name: "cityId", Type: "N"}}
	require.Equal(t, "country (S), cityId (N)", a.String())
	require.True(t, a.Equal(KeySchema{{Name: "country", Type: "S"}, {Name: "cityId", Type: "N"}}))
	require.False(t, a.Equal(KeySchema{{Name: "cityId", Type: "N"}, {Name: "country", Type: "S"}}))
	require.False(t, a.Equal(a[:1]))
	require.False(t, a.Equal(KeySchema{{Name: "country", Type: "S"}, {Name: "cityId", Type: "S"}}))
}

func FuzzKey(f *testing.F) {
	f.Add([]byte(`{"pk":{"S":"a"},"sk":{"N":"1.0"}}`))
	f.Add([]byte(`{"sk":{"N":"-0"},"pk":{"S":"\u00e9\n"}}`))
	f.Add([]byte(`{"pk":{"S":""},"sk":{"N":"1"}}`))
	d := NewDecoder(schemaOf("S", "N"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := d.Key(text)
		if err != nil {
			requireReason(t, err, KeyMismatch)
			return // refused
		}
		again, err := d.Key([]byte(key))
		require.NoError(t, err)
		require.Equal(t, key, again)
	})
}

func FuzzKeyBinary(f *testing.F) {
	f.Add("QQ==")
	f.Add("QR==")
	f.Add("Q\nQ==\r\n")
	d := NewDecoder(schemaOf("B"))
	f.Fuzz(func(t *testing.T, text string) {
		value, err := json.Marshal(text)
		require.NoError(t, err)
		key, err := d.Key(fmt.Appendf(nil, `{"pk":{"B":%s}}`, value))
		if err != nil {
			requireReason(t, err, KeyMismatch)
			return // refused
		}
		want, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		require.NotEmpty(t, want, "a binary key of no bytes")
		require.Equal(t, Key(`{"pk":{"B":"`+base64.StdEncoding.EncodeToString(want)+`"}}`), key)
	})
}

// The partitions are those of Java's producer, as another client's implementation finds them.
func TestPartitionOf(t *testing.T) {
	balancer := kafka.Murmur2Balancer{Consistent: true}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		n := rapid.IntRange(1, 200).Draw(t, "partitions")
		partitions := make([]int, n)
		for i := range partitions {
			partitions[i] = i
		}
		before := bytes.Clone(key)
		require.Equal(t, balancer.Balance(kafka.Message{Key: key}, partitions...), PartitionOf(key, n))
		require.Equal(t, before, key)
	})
}

// Values of org.apache.kafka.common.utils.Utils.murmur2, from Kafka's own UtilsTest.
func TestPartitionOfJava(t *testing.T) {
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		for _, n := range []int{1, 12, 64, 1<<31 - 1} {
			require.Equal(t, int(hash&0x7fffffff)%n, PartitionOf([]byte(key), n), key)
		}
	}
}

func ExampleDecoder_Key() {
	d := NewDecoder(KeySchema{{Name: "country", Type: "S"}, {Name: "cityId", Type: "N"}})
	key, err := d.Key([]byte(`{"cityId": {"N": "7.0"}, "country": {"S": "Qu\u00e9bec"}}`))
	fmt.Println(key, err)
	// Output: {"country":{"S":"Québec"},"cityId":{"N":"7"}} <nil>
}
