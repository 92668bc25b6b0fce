//! Kinds and types with the names that generic parameters usually have.
#![deny(warnings)]

use abide::prelude::*;

#[derive(State, Default)]
struct O {
    a: Option<A>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct A(i64);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct D(A);

#[object]
impl O {
    #[handler]
    fn put(&mut self, a: A) -> Option<A> {
        self.a.replace(a)
    }

    #[handler]
    fn get(&self) -> D {
        D(self.a.clone().unwrap_or_default())
    }
}

#[derive(State, Default)]
struct S {
    d: D,
}

#[object]
impl S {
    #[handler]
    async fn put(&mut self, ctx: &mut Context, d: D) -> Result<D> {
        ctx.object::<O>("o").put(d.0.clone()).await?;
        self.d = d;
        Ok(self.d.clone())
    }

    #[alarm]
    fn ring(&mut self, d: D) {
        self.d = d;
    }
}

macro_rules! kinds {
    ($($name:ident)*) => {
        $(
            #[derive(State, Default)]
            struct $name {
                value: i64,
            }

            #[object]
            impl $name {
                #[handler]
                fn add(&mut self, amount: i64) -> i64 {
                    self.value += amount;
                    self.value
                }
            }
        )*
    };
}

kinds!(C E H K M N P R T V W);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let abide = Abide::open("memory:").register::<O>().register::<S>().register::<T>().start().await?;
    assert_eq!(abide.object::<S>("s").put(D(A(7))).await?, D(A(7)));
    assert_eq!(abide.object::<O>("o").get().await?, D(A(7)));
    assert_eq!(abide.object::<T>("t").add(2).await?, 2);
    Ok(())
}
