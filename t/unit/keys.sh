#!/bin/sh
# Keys and certificates for the unit tests, made by the openssl command.
#
#   keys.sh DIR
set -eu
umask 077

rm -rf "$1"
mkdir -p "$1"
cd "$1"

echo "the quick brown fox" > unit.in

# one pair in each form that a provider or openssl hands out

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem
openssl rsa -in rsa.pem -traditional -out rsa1.pem
openssl pkey -in rsa.pem -outform DER -out rsa.der
openssl rsa -in rsa.pem -traditional -outform DER -out rsa1.der
openssl base64 -A -in rsa.der -out rsa.b64
openssl base64 -in rsa1.der -out rsa1.b64
openssl pkey -in rsa.pem -pubout -out pub.pem
openssl rsa -in rsa.pem -RSAPublicKey_out -out pub1.pem
openssl pkey -pubin -in pub.pem -outform DER -out pub.der
openssl rsa -RSAPublicKey_in -in pub1.pem -RSAPublicKey_out -outform DER \
    -out pub1.der
openssl base64 -A -in pub.der -out pub.b64
printf '\357\273\277' | cat - rsa.pem > bom.pem
sed 's/$/\r/' rsa.pem > crlf.pem

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out other.pem
openssl pkey -in other.pem -pubout -out otherpub.pem

# what must be refused

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out small.pem
openssl pkey -in small.pem -pubout -out smallpub.pem
openssl req -x509 -new -key small.pem -subj /CN=small -days 400 -out small.crt
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem
openssl pkey -in ec.pem -pubout -out ecpub.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-224 -out ec224.pem
openssl pkey -in ec224.pem -pubout -out ec224pub.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
    -pkeyopt ec_param_enc:explicit -out ecexplicit.pem
openssl pkey -in ecexplicit.pem -pubout -out ecexplicitpub.pem
openssl pkcs8 -topk8 -in rsa.pem -passout pass:x -out enc.pem
openssl rsa -in rsa.pem -traditional -aes128 -passout pass:x -out enc1.pem
openssl pkcs8 -topk8 -in rsa.pem -passout pass:x -outform DER -out enc.der
cat rsa.pem other.pem > two.pem
cat pub.pem otherpub.pem > twopub.pem
cat pub.pem rsa.pem > both.pem
cp rsa.pem open.pem
chmod 604 open.pem
(cat rsa.der; printf x) > long.der
head -c 400 rsa.der > short.der
sed '5s/.*/!!!!/' rsa.pem > broken.pem
cat rsa.pem broken.pem > brokensecond.pem
sed '5d' pub.pem > brokenpub.pem
sed 's/PUBLIC KEY/THING/' pub.pem > thing.pem
echo "no key at all" > none.pem
: > empty.pem
mkfifo pipe.pem
head -c 1048577 /dev/zero > huge.pem

# keys of the other schemes: two pairs of each, and curves that none takes

pair() {
    name=$1
    shift

    openssl genpkey "$@" -out $name.pem
    openssl pkey -in $name.pem -pubout -out ${name}pub.pem
}

pair otherec -algorithm EC -pkeyopt ec_paramgen_curve:P-256
pair ec384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
pair k1 -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1
pair ed -algorithm ED25519
pair othered -algorithm ED25519
pair sm2 -algorithm EC -pkeyopt ec_paramgen_curve:SM2
pair othersm2 -algorithm EC -pkeyopt ec_paramgen_curve:SM2
pair pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
openssl ecparam -name prime256v1 -genkey -out ecsec1.pem
openssl ecparam -name SM2 -genkey -out sm2sec1.pem
openssl pkey -in ec.pem -outform DER -out ec.der
openssl pkey -pubin -in sm2pub.pem -outform DER -out sm2pub.der
openssl base64 -A -in sm2pub.der -out sm2pub.b64

# public keys of published vectors: the head of an SPKI, and the point

spki() {
    printf '%s' "$2" | fold -w 2 | while read -r byte || [ -n "$byte" ]; do
        printf "\\$(printf '%03o' "0x$byte")"
    done > "$1"
}

ed=302a300506032b6570032100
p256=3059301306072a8648ce3d020106082a8648ce3d03010703420004
sm2=3059301306072a8648ce3d020106082a811ccf5501822d03420004

spki rfc8032a.der \
    ${ed}d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
spki rfc8032b.der \
    ${ed}3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c
spki rfc8032c.der \
    ${ed}fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025
spki rfc6979.der \
${p256}60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299
spki gbt32918.der \
${sm2}09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13

# certificates

ca() {
    openssl req -x509 -new -key "$1" -subj "$2" -days 4000 -set_serial "$3" \
        -addext basicConstraints=critical,CA:TRUE -out "$4"
}

sign() {
    openssl req -new -key "$1" -subj "$2" -out req.csr
    printf "basicConstraints=$3\n" > req.ext
    openssl x509 -req -in req.csr -CA "$4" -CAkey "$5" -set_serial "$6" \
        -days "$7" -extfile req.ext -out "$8" ${9:-}
}

ca other.pem "/O=Unit/CN=Root" 1 root.crt
ca rsa.pem "/O=Unit/CN=Root" 1 rogueroot.crt
ca rsa.pem "/O=Elsewhere/CN=Root" 1 farroot.crt
sign ec.pem "/O=Unit/CN=Middle" CA:TRUE root.crt other.pem 2 4000 middle.crt
sign rsa.pem "/O=Unit/CN=Leaf" CA:FALSE middle.crt ec.pem 0x0A57F0 4000 \
    leaf.crt
sign rsa.pem "/O=Unit/CN=Not a CA" CA:FALSE root.crt other.pem 4 4000 notca.crt
sign ec.pem "/O=Unit/CN=Child" CA:FALSE notca.crt rsa.pem 5 4000 child.crt
sign ec.pem "/O=Unit/CN=Soon" CA:FALSE root.crt other.pem 6 10 soon.crt
sign rsa.pem "/O=Unit/CN=Direct" CA:FALSE root.crt other.pem 7 4000 direct.crt
sign rsa.pem "/O=Unit/CN=SHA-1" CA:FALSE root.crt other.pem 8 4000 sha1.crt \
    -sha1
sign small.pem "/O=Unit/CN=Small" CA:TRUE root.crt other.pem 9 4000 \
    smallca.crt
sign rsa.pem "/O=Unit/CN=Below" CA:FALSE smallca.crt small.pem 10 4000 \
    belowsmall.crt
cat leaf.crt middle.crt > chain.crt
cat child.crt notca.crt > badchain.crt
cat soon.crt direct.crt > soonfirst.crt
cat belowsmall.crt smallca.crt > belowsmallchain.crt
sed '3s/^..../!!!!/' leaf.crt > broken.crt
cat root.crt broken.crt > brokensecond.crt
cat leaf.crt rsa.pem > mixed.crt
cat enc1.pem leaf.crt > encmixed.crt

openssl req -x509 -new -key ec.pem -utf8 -subj "/O=Unit/CN=支付" -days 400 \
    -set_serial 9 -out utf8.crt

cat > ca.cnf <<'EOF'
[ca]
default_ca = d
[d]
database = ca.db
new_certs_dir = .
serial = ca.serial
default_md = sha256
policy = p
[p]
commonName = optional
EOF

dated() {
    : > ca.db
    echo 08 > ca.serial
    openssl req -new -key rsa.pem -subj "/CN=$1" -out req.csr
    openssl ca -batch -notext -config ca.cnf -in req.csr -cert root.crt \
        -keyfile other.pem -startdate "$2" -enddate "$3" -out "$4"
}

dated Ended 20200101000000Z 20210101000000Z ended.crt
dated Later 20900101000000Z 20950101000000Z later.crt

# certificates that come along in messages: ten good ones, and others

for i in 0 1 2 3 4 5 6 7 8 9; do
    sign rsa.pem "/O=Unit/CN=Leaf" CA:FALSE root.crt other.pem 2$i 4000 \
        kept$i.crt
done

sign small.pem "/O=Unit/CN=Leaf" CA:FALSE root.crt other.pem 30 4000 \
    smallleaf.crt
sign ec.pem "/O=Unit/CN=Leaf" CA:FALSE root.crt other.pem 31 4000 ecleaf.crt
sign rsa.pem "/O=Unit/CN=Leaf/CN=Leaf" CA:FALSE root.crt other.pem 32 4000 \
    names.crt
sign rsa.pem "/O=Unit" CA:FALSE root.crt other.pem 33 4000 nameless.crt
sign rsa.pem "/O=Unit/CN=Leaf" "CA:FALSE\nkeyUsage=keyEncipherment" root.crt \
    other.pem 34 4000 encipher.crt
sign rsa.pem "/O=Unit/CN=Leaf" "CA:FALSE\n1.2.3.4=critical,ASN1:NULL" \
    root.crt other.pem 35 4000 critical.crt
sign rsa.pem "/O=Unit/CN=Leaf" CA:FALSE rogueroot.crt rsa.pem 36 4000 \
    rogueleaf.crt
sign rsa.pem "/O=Unit/CN=Leaf" CA:FALSE farroot.crt rsa.pem 37 4000 farleaf.crt
sign rsa.pem "/O=Unit/CN=Leaf" CA:FALSE notca.crt rsa.pem 38 4000 notcaleaf.crt
openssl req -x509 -new -key rsa.pem -subj "/O=Unit/CN=Leaf" -days 400 \
    -addext basicConstraints=CA:FALSE -out selfleaf.crt

# a certificate of Alipay's real roots has this issuer and this serial

real() {
    openssl req -x509 -new -key other.pem -days 4000 -subj "$1" \
        -set_serial "$2" -out "$3"
}

ant="/C=CN/O=Ant Financial/OU=Certification Authority"
real "$ant/CN=Ant Financial Certification Authority R1" \
    2292228364100439313 real1.crt
trus="/C=CN/O=iTrusChina/OU=China Trust Network"
real "$trus/CN=iTrusChina Class 2 Root CA - G3" \
    95790491425698859646659490580052089075020051350 real2.crt
openssl req -x509 -new -key ec.pem -days 4000 -subj /CN=ec -out ec.crt
cat real1.crt ec.crt real2.crt > real.crt

# secrets

printf 'secret\n' > secret.lf
printf 'secret\r\n' > secret.crlf
printf 'secret' > secret.raw
printf 'secret\n\n' > secret.two
printf '\n' > secret.empty
printf 'secret' > secret.open
chmod 644 secret.open
